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

/// A field as it was declared.
#[derive(Debug)]
pub struct Field {
    /// The field's own name.
    pub name: &'static str,
    /// The one that it was given on the wire.
    pub tag: Option<&'static str>,
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
    /// A field of type `T`.
    pub const fn new<T: FromJson>(name: &'static str) -> Self {
        Field {
            name,
            tag: None,
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
        Field { tag: Some(tag), ..self }
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

    /// Marked `skip`.
    pub const fn skip<T>(self) -> Self {
        Field { skip: true, ..self }
    }

    /// A raw identifier is without its mark.
    pub(super) const fn wire_name(&self) -> &'static str {
        match (self.tag, self.name.as_bytes()) {
            (Some(tag), _) => tag,
            (None, [b'r', b'#', name @ ..]) => match std::str::from_utf8(name) {
                Ok(name) => name,
                Err(_) => self.name,
            },
            (None, _) => self.name,
        }
    }

    /// Whether both are members, of the same name.
    pub(super) const fn hides(&self, other: &Field) -> bool {
        let (ours, theirs) = (self.wire_name().as_bytes(), other.wire_name().as_bytes());
        let mut equal = 0;
        while equal < ours.len() && equal < theirs.len() && ours[equal] == theirs[equal] {
            equal += 1;
        }
        let is_member = !self.skip && self.embedded.is_none();
        let is_other = !other.skip && other.embedded.is_none();
        is_member && is_other && equal == ours.len() && equal == theirs.len()
    }
}
