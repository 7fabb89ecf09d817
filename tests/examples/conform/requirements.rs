//! The requirements, as the specification lists them.

const SPECIFICATION: &str = include_str!("../../../src/guide/wire.md");

/// One requirement.
pub struct Requirement {
    /// Its number, such as `F1`.
    pub id: &'static str,
    /// How binding it is: `MUST`, `SHOULD` or `MAY`.
    pub level: &'static str,
    /// Whether peers other than this library meet it.
    pub is_shared: bool,
    /// Its text.
    pub text: String,
}

impl Requirement {
    /// Whether a peer that does otherwise has a fault.
    pub fn is_binding(&self) -> bool {
        self.is_shared && self.level == "MUST"
    }
}

/// All requirements, in the order of the specification.
pub fn all() -> Vec<Requirement> {
    let mut found = Vec::new();
    let blocks = SPECIFICATION.split("\n- **").skip(1);
    for block in blocks {
        let Some((id, rest)) = block.split_once("** ") else { continue };
        let end = rest.find("\n\n").unwrap_or(rest.len());
        let text = rest[..end].split_whitespace().collect::<Vec<_>>().join(" ");
        let sources = text.rfind(" (").map_or("", |at| &text[at..]);
        found.push(Requirement {
            id,
            level: ["MUST", "SHOULD", "MAY"]
                .into_iter()
                .find(|level| text.split(|c: char| !c.is_alphabetic()).any(|word| word == *level))
                .unwrap_or("MUST"),
            is_shared: sources.contains("Go") || sources.contains("runsc"),
            text,
        });
    }
    found
}

/// The number of the requirement that a case belongs to.
pub fn of(case: &str) -> &str {
    case.split_once('-').map_or(case, |(id, _)| id)
}
