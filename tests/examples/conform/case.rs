//! What a case of a server is made of: what is sent, and what may come.

use std::fmt;

/// A case: what a client does, and what the server must do.
pub struct Case {
    /// The requirement's number, a hyphen, and what the case is about.
    pub name: String,
    pub steps: Vec<Step>,
    /// Whether the connection must still answer at the end.
    pub goes_on: bool,
    /// Whether a peer may end because of it. Such cases are played last.
    pub may_end_peer: bool,
}

pub enum Step {
    /// Sends bytes, and a file for each text, from which the text can be read.
    Send { connection: usize, bytes: Vec<u8>, files: Vec<String> },
    /// Sends as many files as the server takes, and so many more. At most 253 in all.
    SendMany { bytes: Vec<u8>, more: isize },
    /// Sends the bytes one by one.
    SendBytewise(Vec<u8>),
    /// Ends the sending direction.
    EndSending,
    /// Ends the connection with this number, without reading.
    Close(usize),
    /// Gives the server a moment to do what it should not do.
    Pause,
    /// Waits for one of these.
    Want(Vec<Want>),
}

/// What may come.
#[derive(Clone)]
pub enum Want {
    /// These replies.
    Replies(Vec<Reply>),
    /// These replies, then the end of the connection.
    Closed(Vec<Reply>),
}

#[derive(Clone)]
pub struct Reply {
    pub text: Text,
    /// What can be read from its files. `None` if that does not matter.
    pub files: Option<Vec<String>>,
}

#[derive(Clone)]
pub enum Text {
    /// The whole message.
    Exact(Vec<u8>),
    /// Any reply with `success` false.
    Failure,
    /// Any reply with `success` true.
    Success,
    /// A reply with `success` true and this in its text.
    Has(String),
}

impl Case {
    fn new(name: &str, steps: Vec<Step>) -> Case {
        Case { name: name.into(), steps, goes_on: true, may_end_peer: false }
    }

    /// The message gets one of these replies, and the connection goes on.
    pub fn answers(name: &str, message: impl Into<Vec<u8>>, replies: &[Reply]) -> Case {
        let wants = replies.iter().map(|reply| Want::Replies(vec![reply.clone()])).collect();
        Case::new(name, vec![send(message), Step::Want(wants)])
    }

    /// The bytes end the connection without a reply.
    pub fn closes(name: &str, bytes: impl Into<Vec<u8>>) -> Case {
        Case::new(name, vec![send(bytes), Step::Want(vec![Want::Closed(vec![])])]).ends()
    }

    pub fn steps(name: &str, steps: Vec<Step>) -> Case {
        Case::new(name, steps)
    }

    /// The connection need not answer at the end.
    pub fn ends(self) -> Case {
        Case { goes_on: false, ..self }
    }

    pub fn may_end_peer(self) -> Case {
        Case { may_end_peer: true, ..self }
    }
}

/// A call.
pub fn call(method: &str, arg: &str) -> Vec<u8> {
    format!("{{\"method\":\"{method}\",\"arg\":{arg}}}").into_bytes()
}

pub fn send(bytes: impl Into<Vec<u8>>) -> Step {
    send_with(bytes, &[])
}

pub fn send_with(bytes: impl Into<Vec<u8>>, files: &[&str]) -> Step {
    let files = files.iter().map(|&text| text.to_owned()).collect();
    Step::Send { connection: 0, bytes: bytes.into(), files }
}

pub fn want(replies: &[Reply]) -> Step {
    Step::Want(vec![Want::Replies(replies.to_vec())])
}

/// The reply with this result, byte for byte.
pub fn result(text: &str) -> Reply {
    exact(format!("{{\"success\":true,\"err\":\"\",\"result\":{text}}}"))
}

/// The reply with this error, byte for byte. The text is that of the JSON string.
pub fn error(text: &str) -> Reply {
    exact(format!("{{\"success\":false,\"err\":\"{text}\",\"result\":null}}"))
}

pub fn unknown() -> Reply {
    error("unknown method")
}

pub fn exact(text: impl Into<Vec<u8>>) -> Reply {
    Reply { text: Text::Exact(text.into()), files: Some(vec![]) }
}

pub fn failure() -> Reply {
    Reply { text: Text::Failure, files: Some(vec![]) }
}

pub fn success() -> Reply {
    Reply { text: Text::Success, files: Some(vec![]) }
}

pub fn has(text: &str) -> Reply {
    Reply { text: Text::Has(text.into()), files: Some(vec![]) }
}

impl Reply {
    /// With files from which these texts can be read.
    pub fn with_files(self, files: &[&str]) -> Reply {
        Reply { files: Some(files.iter().map(|&text| text.to_owned()).collect()), ..self }
    }

    pub fn with_any_files(self) -> Reply {
        Reply { files: None, ..self }
    }

    /// Whether `message`, with files of these contents, is it.
    pub fn fits(&self, message: &[u8], files: &[String]) -> bool {
        let begins = |start: &str| message.starts_with(start.as_bytes());
        let is_success = begins("{\"success\":true,");
        let text_fits = match &self.text {
            Text::Exact(text) => message == text,
            Text::Failure => begins("{\"success\":false,"),
            Text::Success => is_success,
            Text::Has(part) => {
                is_success && message.windows(part.len().max(1)).any(|at| at == part.as_bytes())
            }
        };
        text_fits && self.files.as_ref().is_none_or(|expected| expected == files)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Text::Exact(text) => write!(f, "{}", shown(text))?,
            Text::Failure => write!(f, "an error")?,
            Text::Success => write!(f, "a result")?,
            Text::Has(text) => write!(f, "a result with {text}")?,
        }
        match &self.files {
            Some(files) if !files.is_empty() => write!(f, " and {} file(s)", files.len()),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (replies, end) = match self {
            Want::Replies(replies) => (replies, None),
            Want::Closed(replies) => (replies, Some("the end of the connection".to_owned())),
        };
        let parts = replies.iter().map(Reply::to_string).chain(end).collect::<Vec<_>>();
        write!(f, "{}", parts.join(", "))
    }
}

/// Bytes for a person to read, cut if they are long.
pub fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 120;
    let text = bytes.iter().take(MOST).flat_map(|&byte| match byte {
        b'"' | b'\\' | b'\'' => vec![byte as char],
        _ => std::ascii::escape_default(byte).map(char::from).collect(),
    });
    let end =
        if bytes.len() > MOST { format!("... ({} bytes)", bytes.len()) } else { String::new() };
    text.collect::<String>() + &end
}

/// The names of the server's methods.
pub struct Methods {
    service: Option<String>,
    echo: Option<String>,
}

impl Methods {
    pub fn new(service: Option<&str>, echo: Option<&str>) -> Methods {
        Methods { service: service.map(Into::into), echo: echo.map(Into::into) }
    }

    /// Replaces each `%Name` by the method's name. `None` if the server has no such method.
    pub fn fill_in(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut filled = Vec::with_capacity(bytes.len());
        let mut parts = bytes.split(|&byte| byte == b'%');
        filled.extend_from_slice(parts.next()?);
        for part in parts {
            let end = part.iter().position(|byte| !byte.is_ascii_alphabetic());
            let (name, rest) = part.split_at(end.unwrap_or(part.len()));
            let name = String::from_utf8_lossy(name);
            match (&self.service, &self.echo) {
                (Some(service), _) => {
                    filled.extend_from_slice(format!("{service}.{name}").as_bytes())
                }
                (None, Some(echo)) if name == "Echo" => filled.extend_from_slice(echo.as_bytes()),
                _ => return None,
            }
            filled.extend_from_slice(rest);
        }
        Some(filled)
    }
}
