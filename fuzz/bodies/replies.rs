//! What a server's replies must be, given what was sent to it.

use std::time::Duration;

use urpc::Limits;
use urpc::json::{self, DecodeOptions, FromJson, RawJson, ToJson, Value};

use super::peer::{Big, FILE_LIMIT, FREE_BYTES, Kind, Make, Tree, Types, WithFiles};
use super::player::Player;
use super::probe::Probe;

urpc::record! {
    /// A call, as the typed decoder reads it.
    #[derive(Debug, Default)]
    pub struct Call {
        pub method: String,
        pub arg: RawJson,
    }

    /// A reply, as the typed decoder reads it.
    #[derive(Debug, Default)]
    pub struct Reply {
        pub success: bool,
        pub err: String,
        pub result: RawJson,
    }
}

/// How a session ended.
#[derive(Debug, PartialEq)]
pub enum Ending {
    /// For a reason outside the stream, at any place in it.
    Early,
    Clean,
    Cut,
    Malformed,
    TooLarge,
    Stopped,
}

/// The expected reply to a call, if it is not refused for its files.
#[derive(Debug)]
enum Expected {
    /// This result, with these files.
    Success(Vec<u8>, Carried),
    /// A failure, and its text if that is known.
    Failure(Option<String>),
    /// A number of the call's files, out of the first so many.
    Count(usize),
    /// The identities of the call's files.
    Identities,
}

impl Expected {
    /// The memory that the result takes, if that is known. A long string is sent from where it lies.
    fn length(&self) -> usize {
        match self {
            Expected::Success(text, _) if text.len() < 8 << 10 || text.contains(&b'\\') => {
                text.len()
            }
            _ => 0,
        }
    }
}

#[derive(Debug)]
enum Carried {
    Nothing,
    /// The call's own.
    Own,
    Made(usize),
}

/// The parts of a reply without its result.
const ENVELOPE: usize = br#"{"success":true,"err":"","result":}"#.len();

/// Checks what a player received against what it sent.
pub fn check(player: &Player, made: &Probe, ending: &Ending, limits: &Limits) {
    let plan = Plan::of(player, limits);
    let count = player.received.len();
    assert!(count <= plan.replies(&plan.endings), "{count} replies, and {plan:?}");
    if *ending != Ending::Early {
        let most = plan.replies(std::slice::from_ref(ending));
        // A peer that is cut off gets a last reply only if its socket has room for it. So does one
        // whose call stops the server.
        let least = match player.drains {
            true => most,
            false => plan.calls - usize::from(*ending == Ending::Stopped),
        };
        assert!((least..=most).contains(&count), "{count} replies, and {plan:?}, {ending:?}");
        assert!(plan.endings.contains(ending), "{ending:?}, and {plan:?}");
        assert!(!player.received.is_cut(), "half a reply");
        assert_eq!(player.ended, plan.calls, "the callback runs once for each call");
    }
    assert!(!player.received.is_broken, "a reply is malformed");
    for message in 0..count {
        let reply = read_reply(player.received.text(message));
        if message < plan.calls {
            check_reply(player, message, &reply, made.identity, limits);
        } else {
            assert!(!reply.success && reply.err.starts_with("message too large"), "{reply:?}");
        }
    }
}

/// The number of calls in a stream before it ends or becomes invalid, and the possible endings.
#[derive(Debug)]
struct Plan {
    calls: usize,
    endings: Vec<Ending>,
}

impl Plan {
    fn of(player: &Player, limits: &Limits) -> Plan {
        let message_bytes = limits.message_bytes;
        let sent = &player.sent;
        for message in 0..sent.len() {
            let text = sent.text(message);
            // If there is no memory for all of a message, it is dropped.
            let is_dropped = |reply: &Reply| {
                is_short(reply) || (is_refusal(reply) && text.len() + ENVELOPE > FREE_BYTES)
            };
            let ending = match json::from_slice::<Call>(text) {
                _ if text.len() > message_bytes => Ending::TooLarge,
                // That it is no call was not seen.
                Err(_) if reply_to(player, message).is_some_and(|reply| is_dropped(&reply)) => {
                    continue;
                }
                Err(_) => Ending::Malformed,
                Ok(call) if stops(&call, player, message) => {
                    return Plan { calls: message + 1, endings: vec![Ending::Stopped] };
                }
                Ok(_) => continue,
            };
            return Plan { calls: message, endings: vec![ending] };
        }
        let mut endings = vec![match (sent.is_broken, sent.is_cut()) {
            (true, _) => Ending::Malformed,
            (false, true) => Ending::Cut,
            (false, false) => Ending::Clean,
        }];
        if sent.cut_length() > message_bytes && endings != [Ending::Clean] {
            // Which of them the server sees first depends on the size of a read.
            endings.retain(|ending| *ending == Ending::Malformed);
            endings.push(Ending::TooLarge);
        }
        Plan { calls: sent.len(), endings }
    }

    /// The number of replies with these endings. A message that is too large gets a reply.
    fn replies(&self, endings: &[Ending]) -> usize {
        self.calls + usize::from(endings.contains(&Ending::TooLarge))
    }
}

/// Whether a call stops the server. If the call may have been too large, or files may have come
/// with it or with the next one, its reply shows whether it was refused.
fn stops(call: &Call, player: &Player, message: usize) -> bool {
    let has_arg = !call.arg.as_bytes().is_empty();
    let may = player.sent.files(message).1;
    let is_refused = reply_to(player, message)
        .is_some_and(|reply| is_short(&reply) || (may.len() > FILE_LIMIT && is_refusal(&reply)));
    is_stop(&call.method) && has_arg && !is_refused
}

/// Whether a method stops the server.
pub fn is_stop(method: &str) -> bool {
    matches!(method, "Peer.Stop" | "Peer.End")
}

/// The reply to a message, if there is one.
fn reply_to(player: &Player, message: usize) -> Option<Reply> {
    (message < player.received.len()).then(|| read_reply(player.received.text(message)))
}

/// Whether a reply says that all messages together take too much memory.
fn is_short(reply: &Reply) -> bool {
    !reply.success
        && (reply.err.starts_with("out of memory: all clients together")
            || reply.err.ends_with("(raise total_bytes)"))
}

/// Whether a reply says that too many files came.
fn is_refusal(reply: &Reply) -> bool {
    !reply.success && reply.err == "too many files"
}

/// Reads a reply and checks its form.
fn read_reply(text: &[u8]) -> Reply {
    let reply: Reply = json::from_slice(text).expect("a reply");
    assert_eq!(json::to_vec(&reply).expect("a reply's text"), text, "a reply's form");
    assert!(reply.success || reply.result.as_bytes() == b"null");
    assert!(!reply.success || reply.err.is_empty());
    reply
}

fn check_reply(player: &Player, message: usize, reply: &Reply, made: u64, limits: &Limits) {
    let sent = &player.sent;
    let files = player.files(message);
    let files = files.as_deref();
    let (must, may) = sent.files(message);
    if may.len() > FILE_LIMIT && is_refusal(reply) {
        return;
    }
    let call = json::from_slice::<Call>(sent.text(message));
    let expected = call.as_ref().ok().map(|call| expected(call, limits.decoded_bytes));
    let result_length = expected.as_ref().map_or(0, Expected::length);
    let length = sent.text(message).len().max(result_length);
    if is_short(reply) {
        assert!(length + ENVELOPE > FREE_BYTES, "{reply:?} though there is room");
        return assert!(files.is_none_or(<[u64]>::is_empty));
    }
    assert!(length <= limits.total_bytes.saturating_add(FREE_BYTES), "{length} bytes were taken");
    assert!(must.len() <= FILE_LIMIT, "{} files were let through", must.len());
    let (call, expected) = (call.expect("a call"), expected.expect("a call"));
    let result = reply.result.as_bytes();
    match expected {
        Expected::Success(text, carried) => {
            assert!(reply.success && result == text, "{reply:?} to {call:?}, not {text:?}");
            match (carried, files) {
                (Carried::Own, Some(files)) => check_files(files, &must, &may),
                (Carried::Made(count), Some(files)) => assert_eq!(files, vec![made; count]),
                (_, files) => assert!(files.is_none_or(<[u64]>::is_empty)),
            }
        }
        Expected::Failure(text) => {
            assert!(!reply.success && files.is_none_or(<[u64]>::is_empty), "{reply:?} to {call:?}");
            assert!(text.is_none_or(|text| text == reply.err), "{reply:?} to {call:?}");
        }
        Expected::Count(most) => {
            let count: usize = json::from_slice(result).expect("a number");
            assert!(must.len().min(most) <= count && count <= may.len().min(most), "{reply:?}");
        }
        Expected::Identities => {
            check_files(&json::from_slice::<Vec<u64>>(result).expect("an array"), &must, &may);
        }
    }
}

/// Whether all expected files came, in order, and no others.
pub fn check_files(files: &[u64], must: &[u64], may: &[u64]) {
    let mut rest = files.iter();
    assert!(must.iter().all(|file| rest.any(|other| other == file)), "{files:?}, not {must:?}");
    let mut rest = may.iter();
    assert!(files.iter().all(|file| rest.any(|other| other == file)), "{files:?} of {may:?}");
}

/// A call's argument, and the memory that decoding it may take.
#[derive(Clone, Copy)]
struct Argument<'a> {
    text: &'a [u8],
    decoded_bytes: usize,
}

fn expected(call: &Call, decoded_bytes: usize) -> Expected {
    let raw = call.arg.as_bytes();
    let arg = Argument { text: raw, decoded_bytes };
    let own = |n: WithFiles| Ok((n, Carried::Own));
    match call.method.as_str() {
        "Peer.Echo" => answer(arg, |any: Value| Ok((any, Carried::Nothing))),
        "Peer.Text" => answer(arg, |text: String| Ok((text, Carried::Nothing))),
        "Peer.Null" => answer(arg, |(): ()| Ok(((), Carried::Nothing))),
        "Peer.Types" => answer(arg, |types: Types| Ok((types, Carried::Nothing))),
        "Peer.Tree" => answer(arg, |tree: Tree| Ok((tree, Carried::Nothing))),
        "Peer.Err" => answer(arg, |text: String| Err::<((), _), _>(text)),
        "Peer.ErrFiles" => answer(arg, |_: WithFiles| Err::<((), _), _>("with files".into())),
        "Peer.Return" => answer(arg, own),
        "Peer.MakeFiles" => answer(arg, |make: Make| {
            let made = WithFiles { n: 1, ..WithFiles::default() };
            if make.count > FILE_LIMIT {
                Err("too many files".into())
            } else {
                Ok((made, Carried::Made(make.count)))
            }
        }),
        "Peer.Big" => answer(arg, |big: Big| Ok(("x".repeat(big.n.into()), Carried::Nothing))),
        "Peer.NaN" => Expected::Failure(None),
        "Peer.BadArgument" | "Peer.Relayed" => answer(arg, |text: String| Err::<((), _), _>(text)),
        "Peer.Caused" => answer(arg, |text: String| Err::<((), _), _>(format!("caused: {text}"))),
        "Peer.Check" => {
            let passes = decode::<Kind>(arg).is_some_and(|kind| kind.unix_socket);
            counting::<Kind>(arg, Expected::Count(if passes { usize::MAX } else { 0 }))
        }
        "Peer.Stop" | "Peer.End" => answer(arg, |(): ()| Ok(((), Carried::Nothing))),
        "Peer.Panic" => answer(arg, |_: Value| Err::<((), _), _>("method panicked".into())),
        "Peer.Who" => answer(arg, |(): ()| Ok((call.method.clone(), Carried::Nothing))),
        "Peer.Raw" if raw.is_empty() => Expected::Failure(Some("nothing".into())),
        "Peer.Raw" => answer(Argument { decoded_bytes: usize::MAX, ..arg }, |raw: RawJson| {
            Ok((raw, Carried::Own))
        }),
        "Peer.CountFiles" => counting::<WithFiles>(arg, Expected::Count(usize::MAX)),
        "Peer.Release" => counting::<WithFiles>(arg, Expected::Count(2)),
        "Peer.FdInfo" => counting::<urpc::Files>(arg, Expected::Identities),
        _ => Expected::Failure(Some("unknown method".into())),
    }
}

/// The answer for an argument of one type and the method's result.
fn answer<A: FromJson + Default, R: ToJson>(
    arg: Argument<'_>,
    method: impl FnOnce(A) -> Result<(R, Carried), String>,
) -> Expected {
    match decode(arg).map(method) {
        None => {
            Expected::Failure(arg.text.is_empty().then(|| "unexpected end of JSON input".into()))
        }
        Some(Err(text)) => Expected::Failure(Some(text)),
        Some(Ok((result, carried))) => match json::to_vec(&result) {
            Ok(text) => Expected::Success(text, carried),
            Err(_) => Expected::Failure(None),
        },
    }
}

fn counting<A: FromJson + Default>(arg: Argument<'_>, expected: Expected) -> Expected {
    if decode::<A>(arg).is_some() { expected } else { Expected::Failure(None) }
}

fn decode<A: FromJson + Default>(arg: Argument<'_>) -> Option<A> {
    let mut value = A::default();
    let typed_depth = super::peer::limits(0, Some(Duration::ZERO)).typed_depth;
    let decoded_bytes = arg.decoded_bytes;
    let options = DecodeOptions { typed_depth, decoded_bytes, ..DecodeOptions::default() };
    json::decode_into(&mut value, arg.text, &options).ok().map(|()| value)
}
