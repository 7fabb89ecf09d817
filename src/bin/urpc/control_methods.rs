//! The table of the methods of gVisor's control server, and which of its names is like another.
//!
//! The table is the text file beside this one. A line is one method: its name, since which builds it
//! is there, its files, an argument, a remark. [`explained`] adds the nearest name to an error.

const TABLE: &str = include_str!("control_methods.txt");

/// The text with which a urpc server refuses a call of a method that it does not have.
pub const UNKNOWN: &str = "unknown method";

/// A line of the table.
pub struct Method {
    pub name: &'static str,
    pub since: &'static str,
    /// `-`, or the number of files and what they are.
    pub files: &'static str,
    pub argument: &'static str,
    pub remark: &'static str,
}

/// All methods, in the order of the table.
pub fn table() -> impl Iterator<Item = Method> {
    TABLE.lines().map(|line| {
        let mut columns = line.split('|');
        let mut next = || columns.next().unwrap_or_default();
        Method { name: next(), since: next(), files: next(), argument: next(), remark: next() }
    })
}

/// The names of all methods of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    table().map(|method| method.name)
}

/// A remote error's text. If the method is unknown and the table has a similar name, it says so.
pub fn explained(message: &str, method: Option<&str>) -> String {
    let hint = match method {
        Some(method) if message == UNKNOWN => hint(method),
        _ => None,
    };
    message.to_owned() + &hint.unwrap_or_default()
}

fn hint(method: &str) -> Option<String> {
    let nearest = nearest(method)?;
    let exact = table().find(|known| known.name == method);
    match exact {
        None => Some(format!("; the nearest that gVisor has is {nearest}")),
        Some(known) if known.since != "2022" => Some("; builds of 2022 do not have it".to_owned()),
        Some(known) if known.remark.starts_with("only ") => Some(format!("; {}", known.remark)),
        Some(_) => None,
    }
}

/// The name of the table that is most similar to `name`. `None` if none is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let distances = names().map(|known| {
        let lower = known.to_ascii_lowercase();
        // A name without its type is compared with names without theirs.
        let compared = match name.contains('.') {
            true => &*lower,
            false => lower.split('.').next_back().unwrap_or_default(),
        };
        (distance(compared.as_bytes(), name.as_bytes()), known)
    });
    let (distance, known) = distances.min_by_key(|(distance, _)| *distance)?;
    let most = ((name.len() + 2) / 4).min(4);
    (distance <= most).then_some(known)
}

/// How many bytes must be inserted, removed or replaced to make `a` into `b` (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_whole_and_has_an_argument_that_is_json() {
        for line in TABLE.lines() {
            assert_eq!(line.matches('|').count(), 4, "{line}");
        }
        for method in table() {
            let parsed: Result<urpc::json::Value, _> = urpc::json::from_str(method.argument);
            assert!(parsed.is_ok() && method.name.contains('.'), "{}", method.name);
            assert!(["2022", "2023+"].contains(&method.since), "{}", method.name);
        }
    }

    #[test]
    fn only_a_similar_name_is_suggested() {
        for (name, expected) in [
            ("containerManager.Proceses", Some("containerManager.Processes")),
            ("containermanager.processes", Some("containerManager.Processes")),
            ("Processes", Some("containerManager.Processes")),
            ("Fs.Raed", Some("Fs.Read")),
            ("Ps", Some("Proc.Ps")),
            ("Fs.Reading", Some("Fs.Read")),
            ("Fs.Readings", None),
            ("Host.Ping", None),
            ("A.B", None),
            ("", None),
        ] {
            assert_eq!(nearest(name), expected, "{name}");
        }
    }

    #[test]
    fn the_distance_is_the_least_number_of_edits() {
        for (a, b, edits) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)]
        {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), edits);
            assert_eq!(distance(b.as_bytes(), a.as_bytes()), edits);
        }
    }
}
