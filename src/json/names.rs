//! Names of members: found as Go's `encoding/json` finds them, which ignores case.

/// The index of `name` in `names`. An exact match comes first, then the first name that differs in
/// case only.
#[inline(never)]
pub(crate) fn find_name<'a>(
    names: impl Iterator<Item = &'a str> + Clone,
    name: &str,
) -> Option<usize> {
    let exact = names.clone().position(|other| other == name);
    let first = name.bytes().next();
    // Most names differ in the first letter already.
    let perhaps = |other: &str| match (other.bytes().next(), first) {
        (Some(a), Some(b)) => a | b >= 0x80 || a.eq_ignore_ascii_case(&b),
        // Two empty names are an exact match.
        _ => false,
    };
    exact.or_else(|| names.clone().position(|other| perhaps(other) && fold_eq(other, name)))
}

/// Whether two names are equal under Unicode's simple case folding.
fn fold_eq(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) if x == y || fold(x) == fold(y) => {}
            _ => return false,
        }
    }
}

/// The same character for all characters that are equal under simple case folding. It is the lower
/// case of the upper case. The exception is the dotless i: it is equal to no other character, but
/// its upper case is a plain I.
fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    if character == 'ı' {
        return character;
    }
    let upper = single(character.to_uppercase(), character);
    single(upper.to_lowercase(), upper)
}

/// The mapped character, if there is exactly one; else `character`.
fn single(mut mapped: impl ExactSizeIterator<Item = char>, character: char) -> char {
    match (mapped.len(), mapped.next()) {
        (1, Some(mapped)) => mapped,
        _ => character,
    }
}
