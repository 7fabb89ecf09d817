//! A client under a server's script: `script` lists what a script can do.
//!
//! Properties:
//! - Each call takes exactly one message of the stream as its reply. Its outcome, result and files
//!   are those that the typed decoder reads in it.
//! - The first failure that leaves the stream out of step finishes the client, and so do data that
//!   came in one read with a reply and after it. Nothing else does.
//! - A call that fails before it sends anything leaves the client as it is.
//! - The client sends one well-formed call each time, with its files.
//! - No descriptor is left open.

use std::sync::Arc;
use std::time::Duration;

use urpc::json::{self, Aborted, DecodeOptions, Decoder, FromJson, ToJson, Value};
use urpc::{Client, Error, Limits, Socket};

use super::errors;
use super::peer::{FAR, FILE_LIMIT, Types, WithFiles, identities, small_budgets};
use super::player::{self, Player};
use super::probe::Probe;

urpc::record! {
    /// A reply, as the typed decoder reads it, with the text of every result in it.
    #[derive(Debug, Default)]
    struct Reply {
        success: bool,
        err: String,
        result: Results,
    }
}

/// The texts of a repeated member.
#[derive(Debug, Default)]
struct Results(Vec<Vec<u8>>);

impl FromJson for Results {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        self.0.push(decoder.raw_value()?.to_vec());
        Ok(())
    }
}

impl ToJson for Results {
    fn encode(&self, encoder: &mut json::Encoder<'_>) -> Result<(), Aborted> {
        encoder.string("never written");
        Ok(())
    }
}

impl Results {
    /// The results that count: after a `null` result, later results are ignored.
    fn counting(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        let count = self.0.iter().take_while(|text| *text != b"null").count();
        self.0[..count].iter().map(Vec::as_slice)
    }
}

/// What a call gave: the result's text and its files' identities.
type Outcome = Result<(Vec<u8>, Vec<u64>), Error>;

pub fn run(data: &[u8]) {
    let (setting, script) = data.split_first().unwrap_or((&b'0', &[]));
    let (ours, theirs) = player::pair();
    let client = Arc::new(Client::builder().limits(limits(*setting)).build(theirs));
    let mut session = Session {
        player: Player::new(script, true),
        client,
        own: Probe::new(),
        style: usize::from(*setting >> 4 & 7),
        decoded_bytes: limits(*setting).decoded_bytes,
        message_bytes: limits(*setting).message_bytes,
        tries: setting >> 4 & 7 >= 5,
        is_finished: false,
        has_unasked: false,
        must_be_unasked: false,
    };
    session.play(ours);
    session.end();
}

fn limits(setting: u8) -> Limits {
    let limits = Limits {
        message_bytes: if setting & 4 == 0 { 1 << 20 } else { 300 },
        send_files: FILE_LIMIT,
        receive_files: FILE_LIMIT,
        call_time: if setting & 1 == 0 { Some(FAR) } else { None },
        message_time: if setting & 2 == 0 { Some(FAR) } else { None },
        typed_depth: 20,
        spin_time: Duration::from_micros(if setting & 8 == 0 { 0 } else { 20 }),
        ..Limits::for_client()
    };
    if setting & 0x80 == 0 { limits } else { small_budgets(limits) }
}

struct Session {
    player: Player,
    client: Arc<Client>,
    /// The file that is sent with calls.
    own: Probe,
    /// The way in which the first call is made. Each later call uses the next one.
    style: usize,
    message_bytes: usize,
    decoded_bytes: usize,
    /// Whether it also makes calls that send nothing.
    tries: bool,
    is_finished: bool,
    /// Whether data followed the last reply when the client read it, and whether it was certainly
    /// there.
    has_unasked: bool,
    must_be_unasked: bool,
}

impl Session {
    fn play(&mut self, socket: Socket) {
        let client = Arc::clone(&self.client);
        self.player.begin(socket, move || client.close());
        while self.player.ended < self.player.sent.len() {
            self.call();
        }
        // Nothing more comes. The first call detects that, the second one reports it.
        self.call();
        self.call();
    }

    fn call(&mut self) {
        let message = self.player.ended;
        if self.tries {
            self.try_without_sending();
        }
        let style = Style::of(self.style + message);
        let outcome = style.call(&self.client, &self.own);
        self.player.sent.note_read(message);
        self.check(message, style, &outcome);
        self.is_finished |= outcome.is_err_and(|error| !error.is_usable());
        let sent = &self.player.sent;
        self.has_unasked = sent.has_text_after(message);
        self.must_be_unasked = message < sent.len() && sent.has_text_after_at_once(message);
        self.player.call_ended();
    }

    /// Calls that fail before they send anything, and leave the client as it is.
    fn try_without_sending(&mut self) {
        let is_over = self.is_finished || self.player.has_stopped();
        assert_eq!(self.client.is_peer_gone(), is_over || self.player.has_ended());
        assert_eq!(format!("{:?}", self.client).contains("finished: None"), !is_over);
        let too_many = [self.own.file(); FILE_LIMIT + 1];
        let many = self.client.call_raw("Peer.Many", b"1", &too_many).map(drop);
        assert!(matches!(many, Err(Error::TooManyFiles { .. })), "{many:?}");
        let late = self.client.within(Duration::ZERO);
        assert!(format!("{late:?}").contains("time: Some(0ns)"));
        for outcome in [
            self.client.call_raw("Peer.No", b"{", &[]).map(drop),
            self.client.call("Peer.No", &f64::NAN),
            self.client.call_within(Duration::ZERO, "Peer.Late\n", &()),
            late.call_into("Peer.Late", &(), &mut ()),
        ] {
            let error = outcome.expect_err("nothing is sent");
            errors::check(&error);
            match &error {
                Error::Finished(_) | Error::Closed => {
                    assert!(is_over || self.is_finished, "{error:?}")
                }
                Error::UnexpectedReply => {
                    assert!(self.has_unasked);
                    self.is_finished = true;
                }
                Error::Argument { .. } | Error::TimedOut { .. } => {
                    assert!(!is_over && error.is_usable(), "{error:?}");
                }
                error => panic!("{error:?}"),
            }
        }
    }

    fn check(&self, message: usize, style: Style, outcome: &Outcome) {
        if let Err(error) = outcome {
            errors::check(error);
            let is_short = error.as_remote().is_some() || error.to_string().len() < 500;
            assert!(is_short, "an error shows too much: {error}");
        }
        if self.is_finished {
            let is_told = matches!(outcome, Err(Error::Finished(_) | Error::Closed));
            return assert!(is_told, "a finished client gave {outcome:?}");
        }
        let is_told = matches!(outcome, Err(Error::UnexpectedReply));
        assert!(is_told || !self.must_be_unasked || self.player.has_stopped(), "{outcome:?}");
        if is_told {
            return assert!(self.has_unasked, "nothing followed the last reply");
        }
        if self.player.has_closed() || self.player.has_stopped() {
            let is_told = matches!(outcome, Err(Error::Disconnected { .. } | Error::Closed));
            return assert!(is_told, "at the end: {outcome:?}");
        }
        let sent = &self.player.sent;
        if message >= sent.len() {
            return self.check_end(outcome);
        }
        if sent.text(message).len() > self.message_bytes {
            return assert!(matches!(outcome, Err(Error::MessageTooLarge { .. })), "{outcome:?}");
        }
        let (must, may) = sent.files(message);
        let is_refused = matches!(outcome, Err(Error::TooManyFiles { .. }));
        let reply = json::from_slice::<Reply>(sent.text(message));
        if reply.is_ok() && is_refused && may.len() > FILE_LIMIT {
            return;
        }
        assert!(must.len() <= FILE_LIMIT || reply.is_err(), "files over the limit: {outcome:?}");
        style.check(reply, outcome, &must, &may, self.decoded_bytes);
    }

    /// The outcome when no complete message is left.
    fn check_end(&self, outcome: &Outcome) {
        let sent = &self.player.sent;
        let is_told = match outcome {
            Err(Error::Malformed { .. } | Error::Http { .. }) => sent.is_broken,
            Err(Error::MessageTooLarge { .. }) => sent.cut_length() > self.message_bytes,
            Err(Error::Disconnected { mid_message, .. }) => *mid_message && !sent.is_broken,
            _ => false,
        };
        assert!(is_told, "at the stream's end: {outcome:?}");
    }

    /// Checks what the client sent, and that every file is closed.
    fn end(mut self) {
        let calls = self.player.ended;
        drop(self.client);
        self.player.finish();
        let received = &self.player.received;
        assert!(!received.is_broken && !received.is_cut() && received.len() <= calls);
        for message in 0..received.len() {
            let style = Style::of(self.style + message);
            assert_eq!(received.text(message), style.text(), "a call's text");
            let files = self.player.files(message).unwrap_or_default();
            assert_eq!(files, vec![self.own.identity; style.files()], "a call's files");
        }
        self.player.into_probes().into_iter().chain([self.own]).for_each(Probe::check_closed);
    }
}

/// The way in which a call is made.
#[derive(Debug, Clone, Copy)]
enum Style {
    Any,
    Raw,
    Into,
    Files,
    Types,
}

impl Style {
    fn of(number: usize) -> Style {
        [Style::Any, Style::Raw, Style::Into, Style::Files, Style::Types][number % 5]
    }

    fn call(self, client: &Client, own: &Probe) -> Outcome {
        match self {
            Style::Any => {
                client.call::<Value>("Peer.Any", "<x>").map(|any| (text(&any), Vec::new()))
            }
            Style::Raw => {
                let files = [own.file(), own.file()];
                let raw = client.call_raw("Peer.Raw", b" [1, {}] ", &files)?;
                Ok((raw.0.into_bytes(), identities(&raw.1)))
            }
            Style::Into => {
                let mut result = Box::new(WithFiles { n: 7, ..WithFiles::default() });
                client.call_into("Peer.Into", &(), &mut result)?;
                Ok((text(&result), identities(&result.files)))
            }
            Style::Files => {
                let arg = WithFiles { n: 0, files: own.copy().into() };
                let result: Arc<WithFiles> = client.call("Peer.Files", &arg)?;
                Ok((text(&result), identities(&result.files)))
            }
            Style::Types => {
                client.call::<Types>("Peer.Types", &1.5).map(|types| (text(&types), Vec::new()))
            }
        }
    }

    /// The call as it is sent.
    fn text(self) -> &'static [u8] {
        match self {
            Style::Any => br#"{"method":"Peer.Any","arg":"\u003cx\u003e"}"#,
            Style::Raw => br#"{"method":"Peer.Raw","arg":[1,{}]}"#,
            Style::Into => br#"{"method":"Peer.Into","arg":null}"#,
            Style::Files => br#"{"method":"Peer.Files","arg":{}}"#,
            Style::Types => br#"{"method":"Peer.Types","arg":1.5}"#,
        }
    }

    fn files(self) -> usize {
        match self {
            Style::Raw => 2,
            Style::Files => 1,
            _ => 0,
        }
    }

    /// Checks an outcome against the reply.
    fn check(
        self,
        reply: Result<Reply, json::Error>,
        outcome: &Outcome,
        must: &[u64],
        may: &[u64],
        decoded_bytes: usize,
    ) {
        let Ok(reply) = reply else {
            return assert!(matches!(outcome, Err(Error::Malformed { .. })), "{outcome:?}");
        };
        if !reply.success {
            let remote = outcome.as_ref().err().and_then(Error::as_remote);
            let remote = remote.unwrap_or_else(|| panic!("{outcome:?} of {reply:?}"));
            return assert_eq!(remote.message(), reply.err);
        }
        match (self.expected(&reply, decoded_bytes), outcome) {
            (Some(text), Ok((result, files))) => {
                assert_eq!(*result, text, "{self:?} of {reply:?}");
                let carries = !matches!(self, Style::Any | Style::Types);
                super::replies::check_files(files, if carries { must } else { &[] }, may);
                assert!(carries || files.is_empty());
            }
            (None, Err(Error::Result { .. })) => {}
            // The results of a repeated member share one budget.
            (Some(_), Err(Error::Result { source: error, .. }))
                if reply.result.counting().count() > 1 =>
            {
                assert!(error.to_string().contains("raise decoded_bytes"), "{error} of {reply:?}");
            }
            (expected, _) => panic!("{outcome:?}, not {expected:?}, of {reply:?}"),
        }
    }

    /// The text of the result. `None` if the reply does not fit.
    fn expected(self, reply: &Reply, decoded_bytes: usize) -> Option<Vec<u8>> {
        match self {
            Style::Any => fold(Value::Null, reply, decoded_bytes),
            Style::Raw => Some(reply.result.counting().last().unwrap_or(b"null").to_vec()),
            Style::Into => fold(WithFiles { n: 7, ..WithFiles::default() }, reply, decoded_bytes),
            Style::Files => fold(WithFiles::default(), reply, decoded_bytes),
            Style::Types => fold(Types::default(), reply, decoded_bytes),
        }
    }
}

/// A reply's results, decoded into one value one after another.
fn fold<T: FromJson + ToJson>(
    mut value: T,
    reply: &Reply,
    decoded_bytes: usize,
) -> Option<Vec<u8>> {
    let options = DecodeOptions { typed_depth: 20, decoded_bytes, ..DecodeOptions::default() };
    for text in reply.result.counting() {
        json::decode_into(&mut value, text, &options).ok()?;
    }
    Some(text(&value))
}

/// The text of a value, or the error if it cannot be written.
fn text(value: &impl ToJson) -> Vec<u8> {
    json::to_vec(value).unwrap_or_else(|error| error.to_string().into_bytes())
}
