//! Raw bytes, sent to Go's server and to ours. The answers are the same byte for byte, except for
//! the texts of argument errors and the intended differences.

use urpc::Socket;
use urpc::json::{self, Value};

use crate::differences::{Difference, Versions, all};
use crate::exchange::{Answer, Exchange, ExpectedEnd};
use crate::go::{GoServer, is_since_1_27};
use crate::peer;
use crate::raw_inputs::alike;
use crate::support;

#[test]
fn ours_answers_as_go_does() {
    let Some(go) = GoServer::start("same-answers") else { return };
    let ours = peer::server();
    let inputs = alike();
    assert!(inputs.len() >= 300, "{} inputs", inputs.len());
    let (mut same, mut argument_errors) = (0, 0);
    let differences: Vec<String> = inputs
        .iter()
        .filter_map(|input| {
            match compare(input, || go.connect(), || support::connect(&ours)) {
                Ok(Likeness::Same) => same += 1,
                Ok(Likeness::ArgumentErrors) => argument_errors += 1,
                Err(difference) => return Some(format!("{}: {difference}", input.label)),
            }
            None
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    println!("{same} answers are the same, {argument_errors} are argument errors on both sides");
}

enum Likeness {
    Same,
    /// The same, except for the text of the error.
    ArgumentErrors,
}

fn compare(
    input: &Exchange,
    to_go: impl Fn() -> Socket,
    to_ours: impl Fn() -> Socket,
) -> Result<Likeness, String> {
    let theirs = input.run(to_go()).map_err(|error| format!("Go: {error}"))?;
    let ours = input.run(to_ours()).map_err(|error| format!("ours: {error}"))?;
    if ours == theirs {
        return Ok(Likeness::Same);
    }
    if is_argument_error(&theirs) && is_error(&ours) && ours.files == theirs.files {
        return Ok(Likeness::ArgumentErrors);
    }
    Err(format!("\n  Go:   {theirs}\n  ours: {ours}"))
}

/// Whether this is a single error reply with a text of Go's decoder.
fn is_argument_error(answer: &Answer) -> bool {
    const TEXTS: [&str; 4] = ["json: ", "illegal base64", "parsing time", "strconv."];
    let text = match json::from_slice::<Value>(&answer.bytes) {
        Ok(reply) => reply["err"].to_string(),
        Err(_) => return false,
    };
    is_error(answer) && TEXTS.iter().any(|known| text[1..].starts_with(known))
}

fn is_error(answer: &Answer) -> bool {
    let Ok(reply) = json::from_slice::<Value>(&answer.bytes) else { return false };
    reply["success"] == Value::Bool(false) && reply["result"] == Value::Null
}

#[test]
fn ours_differs_where_it_is_meant_to() {
    let Some(go) = GoServer::start("other-answers") else { return };
    let ours = peer::server();
    let is_since_1_27 = is_since_1_27();
    for Difference { why, versions, segments, go: of_go, ours: of_ours } in all() {
        let played = |(expected_end, _): &(ExpectedEnd, String), socket| {
            let exchange = Exchange {
                label: why.into(),
                segments: segments.clone(),
                expected_end: *expected_end,
            };
            let answer = exchange.run(socket).unwrap_or_else(|error| panic!("{why}: {error}"));
            String::from_utf8(answer.bytes).unwrap()
        };
        let of_go = match versions {
            Versions::Until1_26 if is_since_1_27 => &of_ours,
            Versions::Since1_27 if !is_since_1_27 => &of_ours,
            _ => &of_go,
        };
        assert_eq!(played(of_go, go.connect()), of_go.1, "Go: {why}");
        assert_eq!(played(&of_ours, support::connect(&ours)), of_ours.1, "ours: {why}");
    }
}
