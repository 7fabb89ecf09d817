//! Records: structs as JSON objects, with the [`record!`](crate::record) macro.
//!
//! The macro lists the fields of a struct and gives access to them by number. This module does
//! everything else. For each type it resolves once which names are members, including those of
//! embedded records.

use std::any::TypeId;
use std::ptr;
use std::sync::OnceLock;

use super::decoder::{Decoder, MemberEvent};
use super::encode::{Encoder, ToJson, to_vec};
use super::error::Aborted;
use super::from_json::FromJson;
use super::token::Kind;
use super::{names, quoted};
use crate::Files;
use crate::memory::short_text;

pub use super::enums::{decode_number, decode_text};
pub use super::field::{Case, Embeddable, Field, Name, Record};
pub use super::from_json::Shape;

/// Whether no two fields have the same name. Fields that are files count, though they are not
/// written: constants cannot tell.
pub const fn names_differ(fields: &[Field]) -> bool {
    let mut first = 0;
    while first < fields.len() {
        let mut second = first + 1;
        while second < fields.len() {
            if fields[first].hides(&fields[second]) {
                return false;
            }
            second += 1;
        }
        first += 1;
    }
    true
}

/// A record as it was declared.
pub trait Fields {
    /// The names of its type parameters.
    const PARAMETERS: &'static [&'static str];
    /// Its fields.
    const FIELDS: &'static [Field];
}

/// The layouts of one declared record. A generic one has several: one for each set of types that it
/// is made with, in a list.
#[derive(Debug, Default)]
pub struct Layouts {
    first: OnceLock<(&'static [Field], Layout)>,
    others: OnceLock<Box<Layouts>>,
}

impl Layouts {
    /// Without any layout yet.
    pub const fn new() -> Self {
        Layouts { first: OnceLock::new(), others: OnceLock::new() }
    }

    /// That of `R`.
    #[inline]
    pub fn of<R: Fields>(&'static self) -> &'static Layout {
        // The compiler may give a constant several addresses. Then there are a few layouts more.
        let (mut layouts, fields) = (self, R::FIELDS);
        loop {
            let (found, layout) = layouts.first.get_or_init(|| (fields, Layout::new(fields)));
            if R::PARAMETERS.is_empty() || ptr::eq(*found, fields) {
                return layout;
            }
            layouts = layouts.others.get_or_init(|| Box::new(Layouts::new()));
        }
    }
}

/// A name on the wire, and the path to its value.
#[derive(Debug, Clone)]
struct Member {
    field: &'static Field,
    /// The name as it is written: a comma, the quoted name, and a colon.
    key: Vec<u8>,
    /// The numbers of the fields that lead to it: first those of embedded records, then its own.
    path: Vec<usize>,
    /// A bit of its own if it must come.
    required: u64,
}

impl Member {
    fn new(field: &'static Field, path: Vec<usize>) -> Self {
        let name = to_vec(field.name).expect("memory for the names of a record's members");
        let key = [b",", name.as_slice(), b":"].concat();
        Member { field, key, path, required: 0 }
    }

    fn decode(&self, record: &mut dyn FromJson, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let Some((&first, below)) = self.path.split_first() else { return decoder.skip() };
        let mut part = record.field_mut(first);
        for &index in below {
            let absent = part.as_ref().map_or(0, |part| part.absent_bytes());
            if !decoder.memory.expect(absent) {
                return decoder.out_of_memory();
            }
            part = part.and_then(|part| part.field_mut(index));
        }
        match (part, self.field.quoted) {
            (Some(part), None) => part.decode(decoder),
            (Some(part), Some(expected)) => quoted::decode(part, expected, decoder),
            (None, _) => decoder.skip(),
        }
    }

    /// Writes the name and the value. Writes nothing if there is no value, or if it is omitted.
    fn encode(&self, record: &dyn ToJson, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        match self.path.iter().try_fold(record, |value, &index| value.field(index)) {
            Some(part) if !self.field.omitempty || !part.is_empty() => {
                let is_first = encoder.out.last() == Some(&b'{');
                encoder.out.extend_from_slice(&self.key[usize::from(is_first)..]);
                let encode = |encoder: &mut Encoder<'_>| match self.field.quoted {
                    Some(_) => quoted::encode(part, encoder),
                    None => part.encode(encoder),
                };
                encoder.part(encode, self.field.type_name, || self.path_segment())
            }
            _ => Ok(()),
        }
    }

    fn path_segment(&self) -> String {
        short_text(format_args!(".{}", self.field.name))
    }
}

/// The members of a record type, in the order in which they are written, and the fields that are
/// files.
#[derive(Debug)]
pub struct Layout {
    members: Vec<Member>,
    /// The marks of all members that must come.
    required: u64,
    /// The ways to all fields that are files, those of embedded records among them.
    file_places: Vec<(Vec<usize>, &'static str)>,
}

impl Layout {
    /// Resolves the members of a record type with these fields.
    pub fn new(fields: &'static [Field]) -> Self {
        let mut file_places = Vec::new();
        find_files(fields, &[], &mut Vec::new(), &mut file_places);
        let mut members = dominant(candidates(fields));
        let mut required = 0;
        for (number, member) in (0..).zip(members.iter_mut().filter(|member| member.field.required))
        {
            let mark = 1u64.checked_shl(number);
            member.required = mark.expect("a record has at most 64 members that are `required`");
            required |= member.required;
        }
        Layout { members, required, file_places }
    }

    /// The files of the first field that has any.
    pub fn files<'a>(&self, record: &'a dyn ToJson) -> Option<&'a Files> {
        self.file_places.iter().find_map(|(path, _)| record.field(path[0])?.files())
    }

    /// Like [`Members::files`], mutable.
    pub fn files_mut<'a>(&self, record: &'a mut dyn FromJson) -> Option<&'a mut Files> {
        let has_files =
            |&index: &usize| record.field_mut(index).and_then(|part| part.files_mut()).is_some();
        let index = self.file_places.iter().map(|(path, _)| path[0]).find(has_files)?;
        record.field_mut(index)?.files_mut()
    }

    /// Decodes an object into a record.
    pub fn decode(
        &self,
        record: &mut dyn FromJson,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), Aborted> {
        let Some(start) = decoder.begin_nested(Kind::ObjectStart, "an object", || {})? else {
            return Ok(());
        };
        let mut next = 0;
        let mut came = 0;
        loop {
            let expected = self.members.get(next).map_or(&[][..], |member| &member.key[1..]);
            let index = match decoder.member(expected)? {
                MemberEvent::Expected => Some(next),
                MemberEvent::Name => {
                    let names = self.members.iter().map(|member| member.field.name);
                    let index = names::find_name(names, decoder.text());
                    decoder.member_value()?;
                    index
                }
                MemberEvent::End => break,
            };
            match index {
                Some(index) => {
                    let member = &self.members[index];
                    came |= member.required;
                    let decode = |decoder: &mut Decoder<'_>| member.decode(record, decoder);
                    decoder.part(decode, member.field.type_name, || member.path_segment())?;
                    next = index + 1;
                }
                None => decoder.skip()?,
            }
        }
        decoder.end_nested(start);
        if came == self.required { Ok(()) } else { self.refuse_missing(came, decoder) }
    }

    #[cold]
    fn refuse_missing(&self, came: u64, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let is_missing = |member: &&Member| member.required & !came != 0;
        let name = self.members.iter().find(is_missing).map_or("", |member| member.field.name);
        decoder.mismatch(format!("an object with the member {name:?}"))
    }

    /// Writes a record as an object.
    pub fn encode(&self, record: &dyn ToJson, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.begin_value();
        encoder.out.push(b'{');
        for member in &self.members {
            member.encode(record, encoder)?;
        }
        encoder.out.push(b'}');
        self.file_places.iter().try_for_each(|(path, name)| {
            let place = path.iter().try_fold(record, |value, &index| value.field(index));
            match place.and_then(|place| place.files()) {
                Some(files) => encoder.check_files(files, || short_text(format_args!(".{name}"))),
                None => Ok(()),
            }
        })
    }
}

/// The ways to the fields that are files; `around` are the records that it is in.
fn find_files(
    fields: &'static [Field],
    path: &[usize],
    around: &mut Vec<TypeId>,
    found: &mut Vec<(Vec<usize>, &'static str)>,
) {
    for (index, field) in fields.iter().enumerate() {
        let path = [path, &[index]].concat();
        match field.embedded.map(|record| record()) {
            Some((id, fields)) if !around.contains(&id) => {
                around.push(id);
                find_files(fields, &path, around, found);
                around.pop();
            }
            None if !field.skip && (field.shape)().is_files => found.push((path, field.name)),
            _ => {}
        }
    }
}

/// A record to search for members: the record itself, or one embedded in it.
struct Part {
    path: Vec<usize>,
    fields: &'static [Field],
    id: Option<TypeId>,
    /// How many records of this level embed it.
    times: usize,
}

/// All fields on the wire. Those of embedded records come after those of the records that embed
/// them. As in Go, a record that is embedded more than once at one level is searched once, and each
/// of its own fields counts twice. So these fields hide one another. Fields of records that are
/// embedded in it do not.
fn candidates(fields: &'static [Field]) -> Vec<Member> {
    let mut members = Vec::new();
    let mut seen = Vec::new();
    let mut level = vec![Part { path: Vec::new(), fields, id: None, times: 1 }];
    while !level.is_empty() {
        let mut below: Vec<Part> = Vec::new();
        for Part { path, fields, times, .. } in level {
            for (index, field) in fields.iter().enumerate() {
                let path = [path.as_slice(), &[index]].concat();
                match field.embedded.map(|record| record()) {
                    _ if field.skip || (field.shape)().is_files => {}
                    Some((id, _)) if seen.contains(&id) => {}
                    Some((id, fields)) => match below.iter_mut().find(|part| part.id == Some(id)) {
                        Some(part) => part.times += 1,
                        None => below.push(Part { path, fields, id: Some(id), times: 1 }),
                    },
                    None => {
                        let member = Member::new(field, path);
                        members.extend(std::iter::repeat_n(member, times.min(2)));
                    }
                }
            }
        }
        seen.extend(below.iter().filter_map(|part| part.id));
        level = below;
    }
    members
}

/// Go's rule for a name that occurs more than once: the outermost field wins. Of several outermost
/// fields, the only one with a tag wins. Otherwise none does.
fn dominant(mut all: Vec<Member>) -> Vec<Member> {
    let rank = |member: &Member| (member.path.len(), !member.field.tagged);
    all.sort_by(|a, b| (a.field.name, rank(a)).cmp(&(b.field.name, rank(b))));
    let mut members: Vec<_> = all
        .chunk_by(|a, b| a.field.name == b.field.name)
        .filter(|same| same.get(1).is_none_or(|second| rank(&same[0]) < rank(second)))
        .map(|same| same[0].clone())
        .collect();
    members.sort_by(|a, b| a.path.cmp(&b.path));
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &'static str) -> Field {
        Field::new::<u8>(name, Case::Own)
    }

    fn skipped(name: &'static str) -> Field {
        Field { skip: true, ..field(name) }
    }

    fn embedded(name: &'static str) -> Field {
        Field { embedded: Some(|| (TypeId::of::<()>(), &[])), ..field(name) }
    }

    #[test]
    fn only_members_of_the_same_name_hide_each_other() {
        let (a, b) = (|| field("a"), || field("b"));
        assert!(names_differ(&[]));
        assert!(names_differ(&[a(), b(), field("ab"), field("ba"), field("")]));
        for same in [[b(), a(), a()], [a(), b(), a()], [a(), a(), b()]] {
            assert!(!names_differ(&same));
        }
        assert!(!names_differ(&[field("ab"), field("ab")]));
        for differ in [[a(), skipped("a")], [skipped("a"), a()], [skipped("a"), skipped("a")]] {
            assert!(names_differ(&differ));
        }
        for differ in [[a(), embedded("a")], [embedded("a"), a()], [embedded("a"), embedded("a")]] {
            assert!(names_differ(&differ));
        }
    }
}
