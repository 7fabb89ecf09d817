//! The two messages of the wire: a call and its reply.
//!
//! A call is `{"method":"Type.Name","arg":…}`, and a reply `{"success":…,"err":"…","result":…}`.
//! They are written with the members in this order, without white space, and with nothing after
//! them. They are read with the members in any order. [`CALL`] and [`REPLY`] tell an [`Envelope`]
//! which members to read while a message arrives. The functions here say what these members mean.

use std::fmt::{self, Display, Write};
use std::mem;

use crate::connection::{Envelope, Member, Piece, Schema};
use crate::error::Error;
use crate::json::{self, FromJson, ToJson, Token};
use crate::limits::Limits;
use crate::memory::{Allowance, Buffer, Lent, Shortage};

/// The error text for more files than a side sends or receives, exactly as in Go.
pub(crate) const TOO_MANY_FILES: &str = "too many files";
/// The error text for a method that the server does not have, exactly as in Go.
pub(crate) const UNKNOWN_METHOD: &str = "unknown method";

/// How a call begins, what separates the method's name from the argument, and how the reply to a
/// successful call begins. All known peers write exactly this.
const CALL_PREFIX: &[u8] = br#"{"method":"#;
const ARG_INFIX: &[u8] = br#","arg":"#;
const SUCCESS_PREFIX: &[u8] = br#"{"success":true,"err":"","result":"#;

/// Writes a call into `out`, replacing what is there; `arg` writes the argument, or lends it.
///
/// # Errors
/// The error of `arg`. Nothing must be sent then.
pub(crate) fn write_call<'a>(
    out: &mut Buffer,
    method: &str,
    arg: impl FnOnce(&mut Buffer) -> Result<Lent<'a>, json::Error>,
) -> Result<Lent<'a>, Error> {
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

/// Writes a reply that carries a result, unless that is lent.
///
/// # Errors
/// The error of encoding the result. Nothing must be sent then.
pub(crate) fn write_success<'r>(
    out: &mut Buffer,
    result: &'r (impl ToJson + ?Sized),
) -> Result<Lent<'r>, json::Error> {
    out.clear();
    out.extend_from_slice(SUCCESS_PREFIX);
    let lent = json::lend(result, out)?;
    out.push(b'}');
    json::check_room(out).map(|()| lent)
}

/// Writes a reply with the text of an error. If there is no memory for that text, the reply says so
/// instead.
///
/// # Errors
/// There is no memory for the shorter reply either.
pub(crate) fn write_failure(out: &mut Buffer, error: &dyn Display) -> Result<(), Error> {
    let written = try_write_failure(out, error);
    written.or_else(|shortage| try_write_failure(out, &Error::from(shortage))).map_err(Error::from)
}

fn try_write_failure(out: &mut Buffer, error: &dyn Display) -> Result<(), Shortage> {
    out.clear();
    out.extend_from_slice(br#"{"success":false,"err":""#);
    // Writing does not fail. If `Display` of the error fails, the text ends there.
    let _ = write!(Escaping(out), "{error}");
    out.extend_from_slice(br#"","result":null}"#);
    out.check()
}

/// Writes text as the content of a JSON string.
struct Escaping<'o>(&'o mut Buffer);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        json::escape(text, self.0);
        Ok(())
    }
}

/// The members of a call.
pub(crate) static CALL: Schema = Schema {
    members: &[("method", Member::Text), ("arg", Member::Last)],
    prefix: &[Piece::Literal(CALL_PREFIX), Piece::SimpleText, Piece::Literal(ARG_INFIX)],
};

/// The members of a reply.
pub(crate) static REPLY: Schema = Schema {
    members: &[("success", Member::Flag), ("err", Member::Text), ("result", Member::Merged)],
    prefix: &[Piece::Literal(SUCCESS_PREFIX), Piece::SetFlag],
};

/// The method's name in a call, which is empty if there was none, and the argument's position.
///
/// # Errors
/// The message is not a call, or there was no memory for it.
pub(crate) fn read_call(call: &Envelope) -> Result<(&str, Option<Token>), Error> {
    call.check().map(|()| (call.text.as_str(), call.value))
}

/// Takes the text of the remote error out of the reply. `None` if the call succeeded.
pub(crate) fn take_error(reply: &mut Envelope) -> Option<String> {
    if reply.flag { None } else { Some(mem::take(&mut reply.text)) }
}

/// Decodes the result of a reply, if there is any, into `value`. `message` is the reply's text.
///
/// # Errors
/// A type error whose path begins with `result`. The parts of the value that fit were stored.
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
