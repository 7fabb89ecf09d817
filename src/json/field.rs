//! What a record knows of its fields, and which types the words after `=>` are for.

use std::any::{TypeId, type_name};

use super::from_json::{FromJson, Shape};

/// Types that a member marked `quoted` can have.
#[diagnostic::on_unimplemented(
    message = "`quoted` means nothing to a member of type `{Self}`",
    label = "not a boolean, number, string or duration",
    note = "Go ignores `,string` there as well: remove `quoted`"
)]
pub trait Quotable {
    /// What such a member takes.
    const EXPECTED: &'static str;
}

/// Types that a member marked `embedded` can have: records, and pointers to them.
#[diagnostic::on_unimplemented(
    message = "`embedded` means nothing to a member of type `{Self}`",
    label = "not declared by `record!`",
    note = "an embedded member is a record or an `Option`, `Box`, `Rc` or `Arc` of one"
)]
pub trait Embeddable {
    /// The record.
    fn record() -> Record;
}

/// What tells a record from others, and its fields.
pub type Record = (TypeId, &'static [Field]);

/// How the names on the wire are made of the names of the fields.
#[derive(Debug, Clone, Copy)]
pub enum Case {
    /// They are the same.
    Own,
    /// `field_name` is `fieldName`.
    Camel,
    /// `field_name` is `FieldName`.
    Pascal,
}

impl Case {
    /// The one of that name; none keeps names as they are.
    pub const fn named(name: &str) -> Self {
        match name.as_bytes() {
            b"" | b"snake_case" => Case::Own,
            b"camelCase" => Case::Camel,
            b"PascalCase" => Case::Pascal,
            _ => panic!("`rename_all` takes \"camelCase\", \"PascalCase\" or \"snake_case\""),
        }
    }
}

/// A name on the wire, made when the record is compiled; `N` is the length of the field's own name.
#[derive(Debug)]
pub struct Name<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Name<N> {
    /// The name of that field. A raw identifier is without its mark.
    pub const fn new(field: &str, case: Case) -> Self {
        let field = field.as_bytes();
        let (mut bytes, mut length) = ([0; N], 0);
        let mut at = if let [b'r', b'#', ..] = field { 2 } else { 0 };
        let mut starts_word = matches!(case, Case::Pascal);
        while at < field.len() {
            match (case, field[at]) {
                (Case::Camel | Case::Pascal, b'_') => starts_word |= length > 0,
                (_, byte) => {
                    bytes[length] = if starts_word { byte.to_ascii_uppercase() } else { byte };
                    length += 1;
                    starts_word = false;
                }
            }
            at += 1;
        }
        Name { bytes, length }
    }

    /// As text.
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(name) => name,
            Err(_) => panic!("the name of a field is UTF-8"),
        }
    }
}

/// A field as it was declared.
#[derive(Debug)]
pub struct Field {
    /// The name on the wire.
    pub name: &'static str,
    /// Whether it was given that name, by itself or with all others: what Go calls a tag.
    pub tagged: bool,
    /// Its members count as the record's: which they are.
    pub embedded: Option<fn() -> Record>,
    /// Written inside a string: what it takes.
    pub quoted: Option<&'static str>,
    /// Left out when empty.
    pub omitempty: bool,
    /// Missing is an error.
    pub required: bool,
    /// JSON knows nothing of it.
    pub skip: bool,
    /// What its type is.
    pub shape: fn() -> Shape,
    /// The type's name, for errors.
    pub type_name: fn() -> &'static str,
}

impl Field {
    /// A field of type `T`, with its name in that case.
    pub const fn new<T: FromJson>(name: &'static str, case: Case) -> Self {
        Field {
            name,
            tagged: !matches!(case, Case::Own),
            embedded: None,
            quoted: None,
            omitempty: false,
            required: false,
            skip: false,
            shape: T::shape,
            type_name: type_name::<T>,
        }
    }

    /// With that name on the wire.
    pub const fn tag(self, tag: &'static str) -> Self {
        Field { name: tag, tagged: true, ..self }
    }

    /// Marked `embedded`.
    pub const fn embedded<T: Embeddable>(self) -> Self {
        Field { embedded: Some(T::record), ..self }
    }

    /// Marked `quoted`.
    pub const fn quoted<T: Quotable>(self) -> Self {
        Field { quoted: Some(T::EXPECTED), ..self }
    }

    /// Marked `omitempty`.
    pub const fn omitempty<T>(self) -> Self {
        Field { omitempty: true, ..self }
    }

    /// Marked `required`.
    pub const fn required<T>(self) -> Self {
        Field { required: true, ..self }
    }

    /// Whether both are members, of the same name.
    pub(super) const fn hides(&self, other: &Field) -> bool {
        let (ours, theirs) = (self.name.as_bytes(), other.name.as_bytes());
        let mut equal = 0;
        while equal < ours.len() && equal < theirs.len() && ours[equal] == theirs[equal] {
            equal += 1;
        }
        let is_member = !self.skip && self.embedded.is_none();
        let is_other = !other.skip && other.embedded.is_none();
        is_member && is_other && equal == ours.len() && equal == theirs.len()
    }
}
