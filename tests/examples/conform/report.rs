//! What is printed: the table by requirement, the cases that failed, or all of it as JSON.

use crate::requirements::{self, Requirement};
use crate::{client_cases, play_server};

/// A case that was played.
pub struct Played {
    pub name: String,
    pub outcome: Outcome,
}

pub enum Outcome {
    Passed,
    Failed {
        sent: String,
        expected: String,
        came: String,
    },
    /// The peer lacks a method that the case needs.
    NotApplicable,
}

urpc::record! {
    /// A line of the JSON output.
    #[derive(Default)]
    struct Line {
        case: String,
        requirement: String,
        level: String,
        outcome: String,
        sent: String => omitempty,
        expected: String => omitempty,
        came: String => omitempty,
    }

    /// A line of the list of cases.
    #[derive(Default)]
    struct Listed {
        case: String,
        requirement: String,
        role: String,
        may_end_peer: bool,
    }
}

/// Prints what was played. Returns the exit status.
pub fn print(played: &[Played], as_json: bool) -> u8 {
    let requirements = requirements::all();
    let mut failures = 0;
    for requirement in &requirements {
        let its = || played.iter().filter(|case| requirements::of(&case.name) == requirement.id);
        failures += its().filter(|case| word(case, requirement) == "failed").count();
        if as_json {
            its().for_each(|case| print_line(case, requirement));
        } else if its().next().is_some() {
            print_row(&its().collect::<Vec<_>>(), requirement);
        }
    }
    if !as_json {
        requirements.iter().for_each(|requirement| print_failures(played, requirement));
        let count = |wanted: &str| {
            let known = |id| requirements.iter().find(|requirement| requirement.id == id);
            let words = played.iter().filter_map(|case| {
                known(requirements::of(&case.name)).map(|requirement| word(case, requirement))
            });
            words.filter(|word| *word == wanted).count()
        };
        let [passed, failed, differs, skipped] =
            ["passed", "failed", "differs", "not applicable"].map(count);
        println!(
            "\n{} cases: {passed} passed, {failed} failed, {differs} differ, {skipped} not applicable",
            played.len()
        );
    }
    u8::from(failures > 0)
}

/// What became of a case. A peer may do otherwise where only this library requires something.
fn word(case: &Played, requirement: &Requirement) -> &'static str {
    match case.outcome {
        Outcome::Passed => "passed",
        Outcome::NotApplicable => "not applicable",
        Outcome::Failed { .. } if requirement.is_binding() => "failed",
        Outcome::Failed { .. } => "differs",
    }
}

fn print_row(cases: &[&Played], requirement: &Requirement) {
    let count = |wanted| cases.iter().filter(|case| word(case, requirement) == wanted).count();
    let parts = ["passed", "failed", "differs", "not applicable"].map(|word| (count(word), word));
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts =
        parts.map(|(count, word)| format!("{count:3} {word}")).collect::<Vec<_>>().join(",");
    let level = if requirement.is_shared { requirement.level } else { "here" };
    println!("{:4} {level:6} {parts:24}  {}", requirement.id, first_words(&requirement.text));
}

fn first_words(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => {
            let end = text[..at].rfind(' ').unwrap_or(at);
            format!("{} ...", &text[..end])
        }
        None => text.to_owned(),
    }
}

fn print_failures(played: &[Played], requirement: &Requirement) {
    for case in played.iter().filter(|case| requirements::of(&case.name) == requirement.id) {
        if let Outcome::Failed { sent, expected, came } = &case.outcome {
            println!("\n{} {}", case.name, word(case, requirement));
            println!("  sent:     {sent}\n  expected: {expected}\n  came:     {came}");
        }
    }
}

fn print_line(case: &Played, requirement: &Requirement) {
    let (sent, expected, came) = match &case.outcome {
        Outcome::Failed { sent, expected, came } => (sent.clone(), expected.clone(), came.clone()),
        _ => Default::default(),
    };
    print_json(&Line {
        case: case.name.clone(),
        requirement: requirement.id.into(),
        level: requirement.level.into(),
        outcome: word(case, requirement).into(),
        sent,
        expected,
        came,
    });
}

fn print_json(value: &impl urpc::json::ToJson) {
    println!("{}", urpc::json::to_string(value).expect("text can be written"));
}

/// Prints the requirements with their cases, or with `as_json` an object for each case.
pub fn list(as_json: bool) {
    let requirements = requirements::all();
    let server = play_server::cases().into_iter();
    let server = server.map(|case| (case.name, "server", case.may_end_peer));
    let client = client_cases::all().into_iter().map(|case| (case.name, "client", false));
    let cases = server.chain(client).collect::<Vec<_>>();
    if as_json {
        for (name, role, may_end_peer) in cases {
            let requirement = requirements::of(&name).to_owned();
            print_json(&Listed { case: name, requirement, role: role.into(), may_end_peer });
        }
        return;
    }
    for requirement in requirements {
        println!("{} ({}) {}", requirement.id, requirement.level, requirement.text);
        let its = cases.iter().filter(|(name, ..)| requirements::of(name) == requirement.id);
        for (name, role, may_end_peer) in its {
            println!(
                "     {role} {name}{}",
                if *may_end_peer { " (may end the peer)" } else { "" }
            );
        }
    }
}
