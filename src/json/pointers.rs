//! Optional values and boxes, which are pointers in Go.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use super::encode::Lendable;
use super::field::{Embeddable, Quotable, Record};
use super::from_json::Shape;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson};
use crate::Files;

/// `null` becomes `None`. Another value is decoded into the existing value, or into a new one. If
/// the type is an array, a map or bytes and the value has another kind, an empty option stays
/// `None`.
impl<T: FromJson + Default> FromJson for Option<T> {
    #[inline]
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        if decoder.kind() == Kind::Null {
            *self = None;
            return Ok(());
        }
        if self.is_none() && !decoder.memory.expect(T::default_bytes()) {
            return decoder.out_of_memory();
        }
        let (was_none, place) = (self.is_none(), decoder.place());
        self.get_or_insert_default().decode(decoder)?;
        if was_none && decoder.has_refused(place) && T::shape().has_nil {
            *self = None;
        }
        Ok(())
    }

    fn files_mut(&mut self) -> Option<&mut Files> {
        self.as_mut()?.files_mut()
    }

    fn shape() -> Shape {
        Shape { has_nil: false, ..T::shape() }
    }

    fn absent_bytes(&self) -> usize {
        self.as_ref().map_or_else(T::default_bytes, T::absent_bytes)
    }

    fn field_mut(&mut self, index: usize) -> Option<&mut dyn FromJson> {
        self.get_or_insert_default().field_mut(index)
    }
}

impl<T: ToJson> ToJson for Option<T> {
    #[inline]
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        match self {
            Some(value) => value.encode(encoder),
            None => ().encode(encoder),
        }
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }

    fn files(&self) -> Option<&Files> {
        self.as_ref()?.files()
    }

    fn field(&self, index: usize) -> Option<&dyn ToJson> {
        self.as_ref()?.field(index)
    }
}

/// Like the value in it. std cannot allocate a `Box` fallibly, so this only checks beforehand that
/// there is memory.
impl<T: FromJson> FromJson for Box<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        (**self).decode(decoder)
    }

    fn default_bytes() -> usize {
        size_of::<T>() + T::default_bytes()
    }

    fn files_mut(&mut self) -> Option<&mut Files> {
        (**self).files_mut()
    }

    fn shape() -> Shape {
        T::shape()
    }

    fn absent_bytes(&self) -> usize {
        (**self).absent_bytes()
    }

    fn field_mut(&mut self, index: usize) -> Option<&mut dyn FromJson> {
        (**self).field_mut(index)
    }
}

macro_rules! shared {
    ($($pointer:ident)*) => { $(
        /// As the value in it. One that others hold as well is not changed for them: it is
        /// replaced, and decoding begins with a fresh one.
        impl<T: FromJson + Default> FromJson for $pointer<T> {
            fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
                if $pointer::get_mut(self).is_none() {
                    if !decoder.memory.expect(Self::default_bytes()) {
                        return decoder.out_of_memory();
                    }
                    *self = $pointer::default();
                }
                match $pointer::get_mut(self) {
                    Some(value) => value.decode(decoder),
                    None => decoder.skip(),
                }
            }

            fn default_bytes() -> usize {
                size_of::<(T, usize, usize)>() + T::default_bytes()
            }

            fn files_mut(&mut self) -> Option<&mut Files> {
                $pointer::get_mut(self)?.files_mut()
            }

            fn shape() -> Shape {
                T::shape()
            }

            fn absent_bytes(&self) -> usize {
                (**self).absent_bytes()
            }

            fn field_mut(&mut self, index: usize) -> Option<&mut dyn FromJson> {
                $pointer::get_mut(self)?.field_mut(index)
            }
        }
    )* };
}

shared! { Rc Arc }

/// As the owned value, which a borrowed one becomes.
impl<B: ToOwned<Owned: FromJson> + ?Sized> FromJson for Cow<'_, B> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        self.to_mut().decode(decoder)
    }

    fn default_bytes() -> usize {
        B::Owned::default_bytes()
    }

    fn shape() -> Shape {
        B::Owned::shape()
    }
}

// Marked members can be of what points to a type as well as of the type itself.
macro_rules! marked {
    ($($pointer:ty),*) => { $(
        impl<T: Quotable> Quotable for $pointer {
            const EXPECTED: &'static str = T::EXPECTED;
        }

        impl<T: Embeddable> Embeddable for $pointer {
            fn record() -> Record {
                T::record()
            }
        }
    )* };
}

marked! { Option<T>, Box<T>, Rc<T>, Arc<T> }

impl<B: ToOwned<Owned: Quotable> + ?Sized> Quotable for Cow<'_, B> {
    const EXPECTED: &'static str = B::Owned::EXPECTED;
}

// Like the value that they point to.
macro_rules! encode_pointers {
    ($([$($generics:tt)*] $pointer:ty),*) => { $(
        impl<$($generics)*> ToJson for $pointer {
            #[inline]
            fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
                (**self).encode(encoder)
            }

            fn is_empty(&self) -> bool {
                ToJson::is_empty(&**self)
            }

            fn files(&self) -> Option<&Files> {
                (**self).files()
            }

            fn lendable(&self) -> Option<Lendable<'_>> {
                (**self).lendable()
            }

            fn field(&self, index: usize) -> Option<&dyn ToJson> {
                (**self).field(index)
            }
        }
    )* };
}

encode_pointers! {
    [T: ToJson + ?Sized] Box<T>, [T: ToJson + ?Sized] Rc<T>, [T: ToJson + ?Sized] Arc<T>,
    [T: ToJson + ?Sized] &T, [T: ToJson + ToOwned + ?Sized] Cow<'_, T>,
    [T: ToJson] Vec<T>, [] String, [] PathBuf, [] OsString
}
