//! What the beginning of a message says: which method is called, and whether a call succeeded.

use urpc::json::{self, Kind, Tokenizer};

/// How much of a message is read. Every known peer writes these members first.
pub const ENOUGH: usize = 4096;

/// The longest method that is named. The method of a longer one is its beginning.
const LONGEST_NAME: usize = 200;

#[derive(Debug, Default, PartialEq)]
pub struct Envelope {
    pub method: Option<String>,
    pub success: Option<bool>,
}

/// Reads the members of the object that begins `text`. As Go does, it takes the last of several, in
/// upper or lower case.
pub fn read(text: &[u8]) -> Envelope {
    let mut rest = &text[..text.len().min(ENOUGH)];
    let (mut tokenizer, mut depth, mut name) = (Tokenizer::new(), 0_usize, Vec::new());
    let mut envelope = Envelope::default();
    while let Ok(Some(token)) = tokenizer.next(&mut rest) {
        let value = &text[token.range()];
        match token.kind {
            Kind::Key if depth == 1 => name = value.trim_ascii().to_ascii_lowercase(),
            Kind::String if depth == 1 && name == b"\"method\"" => {
                let method: Option<String> = json::from_slice(value).ok();
                envelope.method = method.map(|method| beginning(&method).to_owned());
            }
            Kind::True | Kind::False if depth == 1 && name == b"\"success\"" => {
                envelope.success = Some(token.kind == Kind::True);
            }
            _ => {}
        }
        match token.kind {
            Kind::ObjectStart | Kind::ArrayStart => depth += 1,
            Kind::ObjectEnd | Kind::ArrayEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    envelope
}

fn beginning(name: &str) -> &str {
    let end = (0..=LONGEST_NAME.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    &name[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_the_outer_object_count_and_the_last_of_several() {
        let method = |text: &str| read(text.as_bytes()).method;
        assert_eq!(method(r#"{"method":"A.\u0042","arg":{"method":"C.D"}}"#), Some("A.B".into()));
        assert_eq!(
            method(r#"{"arg":[{"method":"C.D"}],"Method":"A.B","method":"E.F"}"#),
            Some("E.F".into())
        );
        assert_eq!(method(r#"["method","A.B"]"#), None);
        assert_eq!(method(r#"{"method":1}"#), None);
        assert_eq!(method(r#"{"method":"A.B","arg":"cut"#), Some("A.B".into()));
        let long = format!("{{\"method\":\"{}\"}}", "ü".repeat(1000));
        assert_eq!(method(&long).map(|name| name.len()), Some(LONGEST_NAME));
        assert_eq!(read(br#"{"success":false,"err":"x","result":true}"#).success, Some(false));
        assert_eq!(read(br#"{"SUCCESS":true}"#).success, Some(true));
        assert_eq!(read(b"{]"), Envelope::default());
    }
}
