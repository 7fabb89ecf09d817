//! Optional values and boxes, which are pointers in Go.

use super::from_json::Shape;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson};
use crate::Files;

/// `null` becomes `None`. Another value is decoded into the existing value, or into a new one. If
/// the type is an array, a map or bytes and the value has another kind, an empty option stays
/// `None`.
impl<T: FromJson + Default> FromJson for Option<T> {
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

    fn field_mut(&mut self, index: usize) -> Option<&mut dyn FromJson> {
        self.get_or_insert_default().field_mut(index)
    }
}

impl<T: ToJson> ToJson for Option<T> {
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

    fn field_mut(&mut self, index: usize) -> Option<&mut dyn FromJson> {
        (**self).field_mut(index)
    }
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

            fn field(&self, index: usize) -> Option<&dyn ToJson> {
                (**self).field(index)
            }
        }
    )* };
}

encode_pointers! { [T: ToJson + ?Sized] Box<T>, [T: ToJson + ?Sized] &T, [T: ToJson] Vec<T>, [] String }
