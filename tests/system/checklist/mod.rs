//! Lists of what can go wrong. Each row names the tests that fail if it does. A test's name follows
//! that of its file, or of a directory with the file, under `src` or `tests`.

mod attacks;
mod files;
mod history;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// A list: a text file, and the rows that it must have, by letter.
struct List {
    text: &'static str,
    rows: &'static [(char, usize)],
}

const FILES: List = List {
    text: include_str!("files.rs"),
    rows: &[
        ('L', 3),
        ('U', 10),
        ('S', 9),
        ('R', 12),
        ('O', 6),
        ('A', 4),
        ('T', 5),
        ('V', 8),
        ('P', 4),
        ('Q', 8),
    ],
};

const ATTACKS: List = List { text: include_str!("attacks.rs"), rows: &[('A', 8)] };

const HISTORY: List = List { text: include_str!("history.rs"), rows: &[('H', 41)] };

impl List {
    fn lines(&self) -> impl Iterator<Item = &'static str> {
        self.text.lines().map_while(|line| line.strip_prefix("//!"))
    }

    /// The name of each row, and its tests with their files.
    fn rows(&self) -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
        let mut rows = Vec::new();
        for line in self.lines() {
            if let Some(row) = line.strip_prefix(" - ") {
                rows.push((row.split(' ').next().unwrap_or_default(), Vec::new()));
            }
            let quoted = line.split('`').skip(1).step_by(2);
            let paths = quoted.filter_map(|name| name.split_once("::"));
            if let Some((_, tests)) = rows.last_mut() {
                // Types have capital letters.
                tests.extend(paths.filter(|(home, _)| home.starts_with(char::is_lowercase)));
            }
        }
        rows
    }

    fn assert_rows_in_order(&self) {
        let expected: Vec<_> = self
            .rows
            .iter()
            .flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number}")))
            .collect();
        let rows: Vec<_> = self.rows().into_iter().map(|(row, _)| row).collect();
        assert_eq!(rows, expected);
    }
}

/// The names of the tests in a program's text.
fn tests_in(text: &str) -> Vec<&str> {
    let (mut tests, mut is_marked) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        let name = line.strip_prefix("fn ").and_then(|line| line.strip_suffix("() {"));
        tests.extend(name.filter(|_| is_marked));
        is_marked = line == "#[test]" || is_marked && line.starts_with("#[");
    }
    tests
}

/// Records each test under `directory`: the test's name, with the names of its file and of each
/// directory that contains it.
fn note_tests(directory: &Path, noted: &mut HashSet<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            note_tests(&path, noted);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for test in tests_in(&text) {
                let homes = path.iter().filter_map(|part| part.to_str());
                let homes = homes.map(|part| part.trim_end_matches(".rs"));
                noted.extend(homes.map(|home| (home.to_owned(), test.to_owned())));
            }
        }
    }
}

#[test]
fn every_row_is_there_in_order() {
    FILES.assert_rows_in_order();
    ATTACKS.assert_rows_in_order();
    HISTORY.assert_rows_in_order();
}

#[test]
fn every_attack_and_what_happened_to_others_names_a_test() {
    let rows = [ATTACKS, HISTORY].iter().flat_map(List::rows).collect::<Vec<_>>();
    let bare: Vec<_> = rows.iter().filter(|(_, tests)| tests.is_empty()).collect();
    assert!(bare.is_empty(), "{bare:?}");
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there = HashSet::new();
    note_tests(&root.join("src"), &mut there);
    note_tests(&root.join("tests"), &mut there);
    let rows = [FILES, ATTACKS, HISTORY].iter().flat_map(List::rows).collect::<Vec<_>>();
    let named: Vec<_> = rows
        .into_iter()
        .flat_map(|(_, tests)| tests)
        .map(|(home, test)| (home.to_owned(), test.to_owned()))
        .collect();
    let missing: Vec<_> = named.iter().filter(|test| !there.contains(test)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named.len() > 100, "{}", named.len());
}
