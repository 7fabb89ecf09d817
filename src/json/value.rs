//! Any value, and the members of an object. Dropping a value does not recurse.

use std::{fmt, mem, slice, vec};

use super::number::Number;
use crate::memory::Allowance;

/// Any JSON value.
///
/// Indexing does not panic: what is not there is `null`. The `as_` methods look at what it holds,
/// the `into_` methods take that out, and `From` makes a value of what it can hold. A float may be
/// no JSON number: see [`Number`]. A value of another type goes through
/// [`RawJson`](super::RawJson).
///
/// ```
/// use urpc::json::{Object, Value};
///
/// let mut value: Value = urpc::json::from_str(r#"{"b": [1.50, null], "a": true, "n": 7}"#)?;
/// assert_eq!(value["b"][0].as_f64(), Some(1.5));
/// assert_eq!(value["n"].as_i64(), Some(7));
/// assert_eq!(value["missing"][3], Value::Null);
/// assert_eq!(value.get("missing"), None);
/// assert_eq!(value.to_string(), r#"{"a":true,"b":[1.50,null],"n":7}"#);
///
/// let list = value.as_object_mut().and_then(|object| object.remove("b"));
/// assert_eq!(list.and_then(Value::into_array).map(|list| list.len()), Some(2));
/// let made = Value::from(Object::from([("list", Value::from(vec![1, 2])), ("text", "x".into())]));
/// assert_eq!(made.to_string(), r#"{"list":[1,2],"text":"x"}"#);
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[derive(Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number with its exact text.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(Object),
}

impl Value {
    /// The first value in an array or an object.
    #[inline]
    fn first_part(&mut self) -> Option<&mut Value> {
        match self {
            Value::Array(array) => array.first_mut(),
            Value::Object(object) => object.members.first_mut().map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether a part has parts. After the last such part was taken out, it costs a look at those
    /// behind it, which are then dropped.
    #[inline]
    fn is_nested(&self) -> bool {
        let has_parts = |value: &Value| match value {
            Value::Array(array) => !array.is_empty(),
            Value::Object(object) => !object.is_empty(),
            _ => false,
        };
        match self {
            Value::Array(array) => array.iter().rev().any(has_parts),
            Value::Object(object) => object.values().rev().any(has_parts),
            _ => false,
        }
    }

    fn pop_part(&mut self) -> Option<Value> {
        match self {
            Value::Array(array) => array.pop(),
            Value::Object(object) => object.members.pop().map(|(_, value)| value),
            _ => None,
        }
    }

    /// Puts a value where another was taken out before, so no memory is needed.
    fn push_part(&mut self, part: Value) {
        match self {
            Value::Array(array) => array.push(part),
            Value::Object(object) => object.members.push((String::new(), part)),
            _ => {}
        }
    }
}

/// Drops the parts without recursion and without memory. When an array or object is taken out of
/// the one around it, it stores the rest of that one in its own first place. The value that was in
/// that place moves to where the array or object was. Without arrays and objects among its parts it
/// is dropped as it is.
impl Drop for Value {
    #[inline]
    fn drop(&mut self) {
        if self.is_nested() {
            mem::take(self).drop_nested();
        }
    }
}

impl Value {
    #[inline(never)]
    fn drop_nested(self) {
        let mut around = self;
        while let Some(mut part) = around.pop_part() {
            if !part.is_nested() {
                continue;
            }
            if let Some(first) = part.first_part() {
                if around.first_part().is_some() {
                    around.push_part(mem::take(first));
                    *first = around;
                }
                around = part;
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The members of an object: values with their names, in the order of the names' bytes.
///
/// They are in one sorted `Vec`, so decoding can fail without memory for it. Finding a member takes
/// a binary search. Inserting one moves all members after it, so collect many members at once.
///
/// ```
/// use urpc::json::{Object, Value};
///
/// let mut object = Object::from([("b", Value::Null)]);
/// object.insert("a".to_owned(), Value::Bool(true));
/// assert_eq!(object.get("a"), Some(&Value::Bool(true)));
/// assert_eq!(object.keys().collect::<Vec<_>>(), ["a", "b"]);
/// assert_eq!(Value::Object(object).to_string(), r#"{"a":true,"b":null}"#);
/// ```
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Object {
    /// Sorted by name, each name once. While decoding, in the order of the text.
    pub(super) members: Vec<(String, Value)>,
}

impl Object {
    /// An object without members.
    pub fn new() -> Object {
        Object::default()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.members.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }

    /// The member with this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.find(name).ok().map(|index| &self.members[index].1)
    }

    /// The member with this name, mutable.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.find(name).ok().map(|index| &mut self.members[index].1)
    }

    /// Whether there is a member with this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Inserts a member, and returns the one that had this name before.
    pub fn insert(&mut self, name: String, value: Value) -> Option<Value> {
        match self.find(&name) {
            Ok(index) => Some(mem::replace(&mut self.members[index].1, value)),
            Err(index) => {
                self.members.insert(index, (name, value));
                None
            }
        }
    }

    /// Removes the member with this name and returns it.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.find(name).ok().map(|index| self.members.remove(index).1)
    }

    /// The members, in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.members.iter())
    }

    /// The names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    /// The values, in the order of their names.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.members.iter().map(|(_, value)| value)
    }

    /// The values, mutable.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.members.iter_mut().map(|(_, value)| value)
    }

    /// Sorts members that were appended in any order. Of several with one name the last stays.
    /// `false` if there is no memory for sorting.
    pub(super) fn sort_members(&mut self, memory: &mut Allowance<'_>) -> bool {
        /// So many are moved to their places one after another, without memory.
        const FEW: usize = 16;
        let members = &mut self.members;
        if members.is_sorted_by(|(a, _), (b, _)| a < b) {
            return true;
        }
        if members.len() <= FEW {
            for place in 1..members.len() {
                let (sorted, rest) = members.split_at(place);
                let to = sorted.partition_point(|(name, _)| *name <= rest[0].0);
                members[to..=place].rotate_right(1);
            }
            members.dedup_by(keep_later);
            return true;
        }
        let mut order: Vec<usize> = Vec::new();
        if !memory.reserve_exact(&mut order, members.len()) {
            return false;
        }
        order.extend(0..members.len());
        order.sort_unstable_by(|&a, &b| (&members[a].0, a).cmp(&(&members[b].0, b)));
        arrange(members, &mut order);
        members.dedup_by(keep_later);
        true
    }
}

/// Moves the item at index `order[i]` to index `i`, one cycle after another.
fn arrange<T>(items: &mut [T], order: &mut [usize]) {
    for start in 0..order.len() {
        let mut place = start;
        loop {
            let from = mem::replace(&mut order[place], place);
            if from == start {
                break;
            }
            items.swap(place, from);
            place = from;
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Object {
    /// Of several members with one name the last stays.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Object {
        let member = |(name, value): (K, V)| (name.into(), value.into());
        let mut members: Vec<(String, Value)> = members.into_iter().map(member).collect();
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        members.dedup_by(keep_later);
        Object { members }
    }
}

/// For `dedup_by`, which keeps the first of equal items.
fn keep_later(later: &mut (String, Value), kept: &mut (String, Value)) -> bool {
    let is_same = later.0 == kept.0;
    if is_same {
        mem::swap(later, kept);
    }
    is_same
}

impl<K: Into<String>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Object {
    fn from(members: [(K, V); N]) -> Object {
        Object::from_iter(members)
    }
}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

impl<'a> IntoIterator for &'a Object {
    type Item = (&'a String, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The members of an [`Object`], in order.
#[derive(Clone)]
pub struct Iter<'a>(slice::Iter<'a, (String, Value)>);

/// The number of members that are left.
impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("left", &self.0.len()).finish()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a String, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_members_is_brought_into_their_own_and_the_last_of_a_name_stays() {
        // Every row of five digits below five: names with repeats, in every order.
        for row in (0..5usize.pow(5)).step_by(if cfg!(miri) { 61 } else { 1 }) {
            let names: Vec<usize> = (0..5).map(|place| row / 5usize.pow(place) % 5).collect();
            let member = |(place, name): (usize, &usize)| {
                (name.to_string(), Value::Number((place as u64).into()))
            };
            let mut settled = Object { members: names.iter().enumerate().map(member).collect() };
            assert!(settled.sort_members(&mut Allowance::unlimited()));
            let mut expected = std::collections::BTreeMap::new();
            expected.extend(names.iter().enumerate().map(member));
            assert!(expected.iter().eq(settled.iter()), "{names:?}: {settled:?}");
        }
    }
}
