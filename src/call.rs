//! The two envelopes of the wire: a call and its reply.
//!
//! `{"method":"Type.Name","arg":…}` goes one way, `{"success":…,"err":"…","result":…}` the other,
//! members in that order, no white space, nothing behind. A reader takes the members in any order.
//! [`CALL`] and [`REPLY`] tell an [`Envelope`] which members to read while a message arrives. The
//! functions here say what these members mean.

use std::fmt::{self, Display, Write};
use std::mem;

use crate::connection::{Envelope, Member, Piece, Schema};
use crate::error::Error;
use crate::json::{self, FromJson, ToJson, Token};
use crate::limits::Limits;
use crate::memory::{Allowance, Buffer, Shortage};

/// What the wire says of more files than a side takes or sends, to the letter.
pub(crate) const TOO_MANY_FILES: &str = "too many files";
/// What the wire says of a method that the server does not have, to the letter.
pub(crate) const UNKNOWN_METHOD: &str = "unknown method";

/// How a call begins, what stands between its method's name and its argument, and how a reply to a
/// call that succeeded begins: as all peers write them, though a reader takes any order.
const CALL_PREFIX: &[u8] = br#"{"method":"#;
const ARG_INFIX: &[u8] = br#","arg":"#;
const SUCCESS_PREFIX: &[u8] = br#"{"success":true,"err":"","result":"#;

/// Writes a call into `out`, replacing what is there; `arg` writes the argument.
///
/// # Errors
/// What `arg` gives; then nothing must be sent.
pub(crate) fn write_call(
    out: &mut Buffer,
    method: &str,
    arg: impl FnOnce(&mut Buffer) -> Result<(), json::Error>,
) -> Result<(), Error> {
    out.clear();
    out.extend_from_slice(CALL_PREFIX);
    let written = json::append(method, out).and_then(|()| {
        out.extend_from_slice(ARG_INFIX);
        arg(out)
    });
    out.push(b'}');
    out.check()?;
    written.map_err(|source| Error::Argument { method: None, source })
}

/// Writes a reply that carries a result.
///
/// # Errors
/// What the result's encoding gives; then nothing must be sent.
pub(crate) fn write_success(
    out: &mut Buffer,
    result: &(impl ToJson + ?Sized),
) -> Result<(), json::Error> {
    out.clear();
    out.extend_from_slice(SUCCESS_PREFIX);
    json::append(result, out)?;
    out.push(b'}');
    json::check_room(out)
}

/// Writes a reply that carries an error's text, or if there is no memory for that, says so.
///
/// # Errors
/// There is none for that either.
pub(crate) fn write_failure(out: &mut Buffer, error: &dyn Display) -> Result<(), Error> {
    let written = try_write_failure(out, error);
    written.or_else(|shortage| try_write_failure(out, &Error::from(shortage))).map_err(Error::from)
}

fn try_write_failure(out: &mut Buffer, error: &dyn Display) -> Result<(), Shortage> {
    out.clear();
    out.extend_from_slice(br#"{"success":false,"err":""#);
    // Writing does not fail, and an error that cannot be displayed ends where it fails.
    let _ = write!(Escaping(out), "{error}");
    out.extend_from_slice(br#"","result":null}"#);
    out.check()
}

/// Writes text as the inside of a JSON string.
struct Escaping<'o>(&'o mut Buffer);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        json::escape(text, self.0);
        Ok(())
    }
}

/// What a server reads of a call.
pub(crate) static CALL: Schema = Schema {
    members: &[("method", Member::Text), ("arg", Member::Last)],
    prefix: &[Piece::Literal(CALL_PREFIX), Piece::SimpleText, Piece::Literal(ARG_INFIX)],
};

/// What a client reads of a reply.
pub(crate) static REPLY: Schema = Schema {
    members: &[("success", Member::Flag), ("err", Member::Text), ("result", Member::Merged)],
    prefix: &[Piece::Literal(SUCCESS_PREFIX), Piece::SetFlag],
};

/// The method's name in a call, empty if there was none, and where the argument lies.
///
/// # Errors
/// The message is no call, or there was no memory for it.
pub(crate) fn read_call(call: &Envelope) -> Result<(&str, Option<Token>), Error> {
    call.check().map(|()| (call.text.as_str(), call.value))
}

/// The remote error's text, taken out of the reply, if the call failed.
pub(crate) fn take_error(reply: &mut Envelope) -> Option<String> {
    if reply.flag { None } else { Some(mem::take(&mut reply.text)) }
}

/// Decodes the result of a reply, if there is any, into `value`. `message` is the reply's text.
///
/// # Errors
/// The type error, its path beginning with `result`; all that fits was stored.
pub(crate) fn decode_result(
    reply: &Envelope,
    value: &mut (impl FromJson + ?Sized),
    message: &[u8],
    limits: &Limits,
) -> Result<(), json::Error> {
    let mut memory = Allowance::new(limits.decoded_bytes, None);
    let mut decoded = Ok(());
    for place in reply.values() {
        let depth = limits.typed_depth;
        let next = json::decode_at(value, message, place, "result", depth, &mut memory);
        decoded = decoded.and(next);
    }
    decoded
}
