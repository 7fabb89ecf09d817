//! A server under a client's script: `script` lists what a script can do.
//!
//! Properties:
//! - Every complete call before an invalid byte gets one reply, in order. It is the reply that the
//!   method makes from the argument and the call's own files, or it names the memory budget that
//!   they exceed.
//! - The session ends for the reason that the stream gives. A client that is not welcome gets no
//!   reply.
//! - An observer sees each client come, each call begin and end, and the client go.
//! - No descriptor is left open, and the server serves the next client.
//!
//! Everything runs on one thread, so each run of an input is the same. While the script waits, the
//! server works. The server's callback after the last complete call continues the script.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use urpc::{Error, Limit, Server, Socket};

use super::errors;
use super::peer::{self, Running};
use super::player::Player;
use super::probe::Probe;
use super::replies::{self, Ending};

pub fn run(data: &[u8]) {
    let (setting, script) = data.split_first().unwrap_or((&b'0', &[]));
    let setting = Setting::of(*setting);
    let made = Probe::new();
    let player = Arc::new(Mutex::new(Player::new(script, setting.drains)));
    let running = {
        let player = Arc::clone(&player);
        let after_call = move || lock(&player).call_ended();
        Running::new(setting.limits(), &made, setting.welcomes, after_call)
    };
    let server = running.0.clone();
    let result = serve(&server, &player, setting);

    let mut player = std::mem::take(&mut *lock(&player));
    player.finish();
    if let Err(error) = &result {
        errors::check(error);
    }
    let has_stopped = player.has_stopped() || matches!(result, Err(Error::Stopped));
    if setting.welcomes {
        let ending = ending(&result, &player, setting);
        replies::check(&player, &made, &ending, &setting.limits());
        check_alive(&server, has_stopped);
    } else {
        let is_told = matches!(result, Err(Error::Unauthorized(_) | Error::Stopped));
        assert!(is_told && player.received.len() == 0 && !player.received.is_cut(), "{result:?}");
    }
    running.1.check();
    assert_eq!(running.stops(), usize::from(has_stopped));
    let shown = format!("{server:?}");
    assert!(shown.contains(&format!("stopping: {has_stopped}")), "{shown}");
    drop((running, server));
    player.into_probes().into_iter().chain([made]).for_each(Probe::check_closed);
}

fn lock(player: &Mutex<Player>) -> std::sync::MutexGuard<'_, Player> {
    player.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(server: &Server, player: &Mutex<Player>, setting: Setting) -> Result<(), Error> {
    let (ours, theirs) = super::player::pair();
    if setting.has_small_buffer {
        theirs.set_send_buffer(1).expect("a buffer");
    }
    let stopped = server.clone();
    let stop = move || _ = stopped.stop_within(Duration::ZERO, Duration::ZERO);
    lock(player).begin(ours, stop);
    server.handle(theirs)
}

/// The setting of a run, from the first byte of its input.
#[derive(Clone, Copy)]
struct Setting {
    /// Whether the client takes each reply as it comes. If not, it takes all at the end, and the
    /// server does not wait for room.
    drains: bool,
    has_small_buffer: bool,
    message_bytes: usize,
    message_time: Option<Duration>,
    welcomes: bool,
    has_small_budgets: bool,
    spin_time: Duration,
}

impl Setting {
    fn of(byte: u8) -> Setting {
        Setting {
            drains: byte & 1 == 0,
            has_small_buffer: byte & 2 != 0,
            message_bytes: if byte & 4 == 0 { 1 << 20 } else { 300 },
            message_time: match byte >> 3 & 3 {
                1 => None,
                3 => Some(Duration::ZERO),
                _ => Some(peer::FAR),
            },
            welcomes: byte & 0x38 != 0,
            has_small_budgets: byte & 0x40 != 0,
            spin_time: Duration::from_micros(if byte & 0x80 == 0 { 0 } else { 20 }),
        }
    }

    fn limits(self) -> urpc::Limits {
        let limits = peer::limits(self.message_bytes, self.message_time);
        let limits = urpc::Limits { spin_time: self.spin_time, ..limits };
        if self.has_small_budgets { peer::small_budgets(limits) } else { limits }
    }
}

/// The possible endings of the session.
fn ending(result: &Result<(), Error>, player: &Player, setting: Setting) -> Ending {
    match result {
        _ if player.has_stopped() || player.has_closed() => Ending::Early,
        Err(Error::TimedOut { name: Limit::SendTime, .. }) => Ending::Early,
        Err(Error::TimedOut { name: Limit::MessageTime, .. })
            if setting.message_time == Some(Duration::ZERO) =>
        {
            Ending::Early
        }
        Ok(()) => Ending::Clean,
        Err(Error::Disconnected { mid_message: true, .. }) => Ending::Cut,
        Err(Error::Malformed { .. }) => Ending::Malformed,
        Err(Error::MessageTooLarge { .. }) => Ending::TooLarge,
        Err(Error::Stopped) => Ending::Stopped,
        Err(error) => panic!("the session ended with {error:?}"),
    }
}

/// Whether another client is served, or refused if the server was stopped.
fn check_alive(server: &Server, has_stopped: bool) {
    let (ours, theirs) = Socket::pair().expect("a pair of sockets");
    ours.try_send(br#"{"method":"Peer.Text","arg":"on"}"#, &[]).expect("room for a call");
    ours.shutdown_send().expect("an end");
    let result = server.handle(theirs);
    if has_stopped {
        return assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
    }
    assert!(result.is_ok(), "{result:?}");
    let mut buffer = [0; 64];
    let (length, _) = ours.try_receive(&mut buffer, 0).expect("a reply");
    assert_eq!(&buffer[..length], br#"{"success":true,"err":"","result":"on"}"#);
}
