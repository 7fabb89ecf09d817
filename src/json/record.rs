//! Records: structs as JSON objects, by the [`record!`](crate::record) macro.
//!
//! The macro lists a struct's fields and gives access to them by number; everything else is done here. Which
//! names are members, with those of embedded records among them, is resolved once for each type.

use std::any::TypeId;

use super::decoder::Step;
use super::error::Segment;
use super::{Decoder, Encoder, FromJson, Kind, Stop, ToJson, text};

/// Declares structs that are JSON objects: implements [`FromJson`](crate::json::FromJson) and
/// [`ToJson`](crate::json::ToJson) for them, which they need `Default` for.
///
/// Behind a field's type, `=>` may be followed by its name on the wire, where that is not the field's own,
/// and by these words:
///
/// - `omitempty`: not written if it is `false`, 0, an empty string, list or map, or `None`
/// - `quoted`: written inside a string, Go's `,string`
/// - `embedded`: a record whose members count as this one's own; in an `Option` it comes with the first of them
/// - `skip`: not on the wire, and of any type
///
/// A field of type [`Files`](crate::Files) is never on the wire: it holds the files that ride beside the JSON.
///
/// ```
/// urpc::record! {
///     /// Who asks.
///     #[derive(Debug, Default, PartialEq)]
///     pub struct Origin {
///         pub uid: u32,
///         pub name: String => omitempty,
///     }
///
///     /// What is asked.
///     #[derive(Debug, Default, PartialEq)]
///     pub struct Request {
///         pub origin: Origin => embedded,
///         pub argv: Vec<String> => "Argv",
///         pub deadline: Option<u64> => "deadline_ns" omitempty quoted,
///         pub attempts: u8 => skip,
///     }
/// }
///
/// let request: Request = urpc::json::from_str(r#"{"uid":7,"ARGV":["ls"],"deadline_ns":"5"}"#)?;
/// assert_eq!(request.origin.uid, 7);
/// assert_eq!(request.deadline, Some(5));
/// assert_eq!(urpc::json::to_string(&request)?, r#"{"uid":7,"Argv":["ls"],"deadline_ns":"5"}"#);
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[macro_export]
macro_rules! record {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            $(
                $(#[$field_attribute:meta])*
                $field_visibility:vis $field:ident : $type:ty $(=> $($wire:literal)? $($word:ident)*)?
            ),* $(,)?
        }
    )*) => { $(
        $(#[$attribute])*
        $visibility struct $name {
            $( $(#[$field_attribute])* $field_visibility $field: $type ),*
        }

        const _: () = {
            const FIELDS: &[$crate::json::record::Field] = &[
                $( $crate::record!(@field $field $type, $($($wire)? $($word)*)?) ),*
            ];

            fn layout() -> &'static $crate::json::record::Layout {
                static LAYOUT: ::std::sync::OnceLock<$crate::json::record::Layout> = ::std::sync::OnceLock::new();
                LAYOUT.get_or_init($crate::json::record::Layout::of::<$name>)
            }

            impl $crate::json::FromJson for $name {
                fn decode(
                    &mut self,
                    decoder: &mut $crate::json::Decoder<'_>,
                ) -> ::std::result::Result<(), $crate::json::Stop> {
                    layout().decode(self, decoder)
                }

                #[allow(unused)]
                fn files_mut(&mut self) -> ::std::option::Option<&mut $crate::Files> {
                    let mut fields = FIELDS.iter();
                    $( $crate::record!(@files FromJson files_mut (&mut) self fields $field, $($($wire)? $($word)*)?); )*
                    ::std::option::Option::None
                }

                fn shape() -> ::std::option::Option<$crate::json::record::Shape> {
                    ::std::option::Option::Some($crate::json::record::Shape::new::<$name>(FIELDS))
                }

                #[allow(unused)]
                fn decode_member(
                    &mut self,
                    member: &$crate::json::record::Member,
                    level: usize,
                    decoder: &mut $crate::json::Decoder<'_>,
                ) -> ::std::result::Result<(), $crate::json::Stop> {
                    const TABLE: &[$crate::json::record::DecodeMember<$name>] = &[
                        $( $crate::record!(@decode $field, $($($wire)? $($word)*)?) ),*
                    ];
                    match member.step(level) {
                        Some(field) => TABLE[field](self, member, level + 1, decoder),
                        None => self.decode(decoder),
                    }
                }
            }

            impl $crate::json::ToJson for $name {
                fn encode(
                    &self,
                    encoder: &mut $crate::json::Encoder<'_>,
                ) -> ::std::result::Result<(), $crate::json::Stop> {
                    layout().encode(self, encoder)
                }

                #[allow(unused)]
                fn files(&self) -> ::std::option::Option<&$crate::Files> {
                    let mut fields = FIELDS.iter();
                    $( $crate::record!(@files ToJson files (&) self fields $field, $($($wire)? $($word)*)?); )*
                    ::std::option::Option::None
                }

                #[allow(unused)]
                fn encode_member(
                    &self,
                    member: &$crate::json::record::Member,
                    level: usize,
                    encoder: &mut $crate::json::Encoder<'_>,
                ) -> ::std::result::Result<(), $crate::json::Stop> {
                    const TABLE: &[$crate::json::record::EncodeMember<$name>] = &[
                        $( $crate::record!(@encode $field, $($($wire)? $($word)*)?) ),*
                    ];
                    match member.step(level) {
                        Some(field) => TABLE[field](self, member, level + 1, encoder),
                        None => member.encode(self, encoder),
                    }
                }
            }
        };
    )* };

    (@field $field:ident $type:ty, skip) => {
        $crate::json::record::Field::skipped()
    };
    (@field $field:ident $type:ty, $($wire:literal)? $($word:ident)*) => {
        $crate::json::record::Field::new::<$type>(stringify!($field)) $(.named($wire))? $(.$word())*
    };
    (@files $trait:ident $get:ident ($($borrow:tt)*) $self:ident $fields:ident $field:ident, skip) => {
        $fields.next()
    };
    (@files $trait:ident $get:ident ($($borrow:tt)*) $self:ident $fields:ident $field:ident, $($rest:tt)*) => {
        if $fields.next().is_some_and($crate::json::record::Field::carries_files) {
            if let ::std::option::Option::Some(files) = $crate::json::$trait::$get($($borrow)* $self.$field) {
                return ::std::option::Option::Some(files);
            }
        }
    };
    (@decode $field:ident, skip) => {
        |_, _, _, decoder| decoder.skip()
    };
    (@decode $field:ident, $($rest:tt)*) => {
        |record, member, level, decoder| {
            $crate::json::FromJson::decode_member(&mut record.$field, member, level, decoder)
        }
    };
    (@encode $field:ident, skip) => {
        |_, _, _, _| ::std::result::Result::Ok(())
    };
    (@encode $field:ident, $($rest:tt)*) => {
        |record, member, level, encoder| {
            $crate::json::ToJson::encode_member(&record.$field, member, level, encoder)
        }
    };
}

/// Decodes into one field of a record, or into a part of it.
pub type DecodeMember<T> = fn(&mut T, &Member, usize, &mut Decoder<'_>) -> Result<(), Stop>;

/// Writes one field of a record, or a part of it.
pub type EncodeMember<T> = fn(&T, &Member, usize, &mut Encoder<'_>) -> Result<(), Stop>;

/// A record's type and its fields.
pub struct Shape {
    id: TypeId,
    fields: &'static [Field],
}

impl Shape {
    /// The shape of `T`.
    pub fn new<T: 'static>(fields: &'static [Field]) -> Self {
        Shape { id: TypeId::of::<T>(), fields }
    }
}

/// A field as it was declared.
#[derive(Clone, Copy)]
pub struct Field {
    name: &'static str,
    is_tagged: bool,
    is_on_wire: bool,
    is_files: bool,
    is_embedded: bool,
    is_quoted: bool,
    is_omitted_empty: bool,
    shape: fn() -> Option<Shape>,
}

impl Field {
    /// A field of type `T`.
    pub const fn new<T: FromJson>(name: &'static str) -> Self {
        Field {
            name,
            is_tagged: false,
            is_on_wire: T::ON_WIRE,
            is_files: !T::ON_WIRE,
            is_embedded: false,
            is_quoted: false,
            is_omitted_empty: false,
            shape: T::shape,
        }
    }

    /// A field that JSON knows nothing of.
    pub const fn skipped() -> Self {
        Field { is_on_wire: false, is_files: false, ..Field::new::<()>("") }
    }

    /// With a name of its own on the wire.
    pub const fn named(self, name: &'static str) -> Self {
        Field { name, is_tagged: true, ..self }
    }

    /// Its members count as the record's.
    pub const fn embedded(self) -> Self {
        Field { is_embedded: true, ..self }
    }

    /// Written inside a string.
    pub const fn quoted(self) -> Self {
        Field { is_quoted: true, ..self }
    }

    /// Left out when empty.
    pub const fn omitempty(self) -> Self {
        Field { is_omitted_empty: true, ..self }
    }

    /// Whether the message's files may go here.
    pub fn carries_files(&self) -> bool {
        self.is_files || self.is_embedded
    }

    fn embedded_shape(&self) -> Option<Shape> {
        if self.is_embedded { (self.shape)() } else { None }
    }

    /// The name, a raw identifier without its mark.
    fn wire_name(&self) -> &'static str {
        if self.is_tagged { self.name } else { self.name.strip_prefix("r#").unwrap_or(self.name) }
    }
}

/// A name on the wire and the way to its value.
pub struct Member {
    name: &'static str,
    /// The name as it is written: with a comma, quotes and a colon.
    key: Vec<u8>,
    /// The numbers of the fields that lead to it: through embedded records to its own.
    path: Vec<usize>,
    is_tagged: bool,
    pub(super) quoted: bool,
    pub(super) omitempty: bool,
}

impl Member {
    fn new(field: &Field, path: Vec<usize>) -> Self {
        let name = field.wire_name();
        let mut key = vec![b','];
        text::quote(name.as_bytes(), &mut key);
        key.push(b':');
        Member {
            name,
            key,
            path,
            is_tagged: field.is_tagged,
            quoted: field.is_quoted,
            omitempty: field.is_omitted_empty,
        }
    }

    /// The field to take at `level`; `None` where the member itself is reached.
    #[inline]
    pub fn step(&self, level: usize) -> Option<usize> {
        self.path.get(level).copied()
    }

    pub(super) fn ends_at(&self, level: usize) -> bool {
        level >= self.path.len()
    }

    /// Writes name and value, or nothing if it is to be left out.
    #[inline]
    pub fn encode<T: ToJson + ?Sized>(
        &self,
        value: &T,
        encoder: &mut Encoder<'_>,
    ) -> Result<(), Stop> {
        if self.omitempty && value.is_empty() {
            return Ok(());
        }
        let is_first = encoder.out.last() == Some(&b'{');
        encoder.out.extend_from_slice(&self.key[usize::from(is_first)..]);
        if self.quoted { value.encode_quoted(encoder) } else { value.encode(encoder) }
    }
}

/// The members of a record type, in the order in which they are written.
pub struct Layout {
    members: Vec<Member>,
}

impl Layout {
    /// Resolves the members of `T`.
    pub fn of<T: FromJson>() -> Self {
        Layout::resolved(T::shape())
    }

    /// Apart from [`Layout::of`], so that a program has it once and not for each of its records.
    fn resolved(shape: Option<Shape>) -> Self {
        let mut members: Vec<_> = shape.map(candidates).unwrap_or_default();
        let kept: Vec<bool> = members.iter().map(|member| is_dominant(member, &members)).collect();
        let mut kept = kept.into_iter();
        members.retain(|_| kept.next().unwrap_or(false));
        members.sort_by(|a, b| a.path.cmp(&b.path));
        Layout { members }
    }

    /// Decodes an object into a record.
    pub fn decode<T: FromJson>(
        &self,
        record: &mut T,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), Stop> {
        if !decoder.enter(Kind::ObjectStart, "an object", || {})? {
            return Ok(());
        }
        let mut next = 0;
        loop {
            let expected = self.members.get(next).map_or(&[][..], |member| &member.key[1..]);
            let index = match decoder.member(expected)? {
                Step::Expected => next,
                Step::Name => {
                    let index = self.search(decoder.text());
                    decoder.named_value()?;
                    index
                }
                Step::End => break,
            };
            match self.members.get(index) {
                Some(member) => {
                    record.decode_member(member, 0, decoder)?;
                    decoder.passed(|| Segment::Name(member.name));
                    next = index + 1;
                }
                None => decoder.skip()?,
            }
        }
        decoder.leave();
        Ok(())
    }

    /// The member of exactly that name, else the first that is equal under folding.
    #[inline(never)]
    fn search(&self, name: &str) -> usize {
        let exact = self.members.iter().position(|member| member.name == name);
        let folded = || self.members.iter().position(|member| text::fold_eq(member.name, name));
        exact.or_else(folded).unwrap_or(self.members.len())
    }

    /// Writes a record as an object.
    pub fn encode<T: ToJson>(&self, record: &T, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
        encoder.out.push(b'{');
        for member in &self.members {
            if let Err(stop) = record.encode_member(member, 0, encoder) {
                return Err(encoder.within(stop, Segment::Name(member.name)));
            }
        }
        encoder.out.push(b'}');
        Ok(())
    }
}

/// All fields on the wire, those of embedded records behind those of the ones around them.
fn candidates(shape: Shape) -> Vec<Member> {
    let mut members = Vec::new();
    let mut seen = vec![shape.id];
    let mut level = vec![(Vec::new(), shape)];
    while !level.is_empty() {
        let mut below = Vec::new();
        for (path, shape) in &level {
            for (index, field) in
                shape.fields.iter().enumerate().filter(|(_, field)| field.is_on_wire)
            {
                let path = [path.as_slice(), &[index]].concat();
                match field.embedded_shape() {
                    Some(inner) if seen.contains(&inner.id) => {}
                    Some(inner) => below.push((path, inner)),
                    None => members.push(Member::new(field, path)),
                }
            }
        }
        seen.extend(below.iter().map(|(_, shape)| shape.id));
        level = below;
    }
    members
}

/// Go's rule for a name that occurs more than once: the outermost wins, among several of these the only one
/// that was given the name by a tag, or else nobody.
fn is_dominant(member: &Member, all: &[Member]) -> bool {
    let rank = |member: &Member| (member.path.len(), !member.is_tagged);
    all.iter()
        .filter(|other| other.name == member.name && !std::ptr::eq(*other, member))
        .all(|other| rank(member) < rank(other))
}
