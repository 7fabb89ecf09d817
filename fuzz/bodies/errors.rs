//! What holds for every error that a session gives: its text, its parts and its conversions.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use urpc::Error;

pub fn check(error: &Error) {
    let text = error.to_string();
    assert!(!text.is_empty() && !format!("{error:?}").is_empty());
    if let Some(limit) = error.limit() {
        let is_named = matches!(error, Error::Result { .. }) || text.contains(&limit.to_string());
        assert!(is_named && limit.to_string() != "Limits::", "{text}");
    }
    if let Some(method) = error.method() {
        assert!(text.starts_with(&format!("{}: ", method.escape_debug())), "{text}");
    }
    let is_end = matches!(error, Error::Closed | Error::Finished(_) | Error::Malformed { .. });
    assert!(!is_end || !error.is_usable(), "{text}");
    assert_eq!(error.as_remote().is_some(), matches!(error, Error::Remote(_)));
    if let Some(remote) = error.as_remote() {
        assert_eq!(
            (remote.to_string().as_str(), remote.source().is_none()),
            (remote.message(), true)
        );
    }

    let converted = io::Error::from(error.clone());
    assert_eq!(converted.to_string(), text);
    assert_eq!(converted.kind() == ErrorKind::TimedOut, matches!(error, Error::TimedOut { .. }));
    let back = Error::from(converted);
    assert_eq!(back.to_string(), text);
    assert_eq!(back.is_usable(), error.is_usable());
    assert_eq!(back.raw_os_error(), error.raw_os_error());
    assert_eq!(back.source().map(ToString::to_string), error.source().map(ToString::to_string));
}
