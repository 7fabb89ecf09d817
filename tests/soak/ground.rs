//! What all participants share: where the servers listen, and the servers, one after another.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use urpc::json::{RawJson, Value};
use urpc::{Files, Limits, Listener, Server, Service, Socket};

use crate::lingering::Lingering;
use crate::tally::Tally;

/// The time limit for a short operation while all others are at work too.
pub const SOON: Duration = Duration::from_secs(20);

/// The time limit of a message. A peer that sends its own end keeps its place for that long.
const MESSAGE_TIME: Duration = Duration::from_secs(1);

/// More places than the participants need, and far fewer than there are attacks.
const PLACES: usize = 160;

/// The memory of one decoded message, and of all messages together. Large messages are refused
/// while there is no memory for them, small ones never.
const DECODED_BYTES: usize = 4 << 20;
const TOTAL_BYTES: usize = 8 << 20;

/// What all participants share.
pub struct Ground {
    pub path: PathBuf,
    ends: AtomicBool,
    /// For each client, the number of its call that was executed last.
    pub executed: Vec<AtomicU64>,
    pub tally: Arc<Tally>,
    /// Whether files whose close blocks can be made here.
    pub has_lingering: bool,
}

impl Ground {
    pub fn new(path: PathBuf, clients: usize) -> Ground {
        let executed = (0..clients).map(|_| AtomicU64::new(0)).collect();
        let has_lingering = Lingering::new().is_some();
        Ground {
            path,
            ends: AtomicBool::new(false),
            executed,
            tally: Arc::default(),
            has_lingering,
        }
    }

    pub fn end(&self) {
        self.ends.store(true, Ordering::SeqCst);
    }

    pub fn has_ended(&self) -> bool {
        self.ends.load(Ordering::SeqCst)
    }

    /// Serves for `time`, then stops in one of several ways.
    pub fn serve(self: &Arc<Ground>, number: u32, time: Duration) {
        let listener = Listener::bind(self.path.as_path()).unwrap();
        let server = self.server();
        thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve(&listener));
            let (_open, silent) = mpsc::channel::<()>();
            let _ = silent.recv_timeout(time);
            let begun = Instant::now();
            match number % 3 {
                0 => server.stop(Duration::ZERO),
                1 => server.stop(Duration::from_millis(20)),
                _ => assert_eq!(server.stop_within(Duration::ZERO, SOON), 0),
            }
            assert!(begun.elapsed() < SOON, "a stop took {:?}", begun.elapsed());
            serving.join().unwrap().unwrap();
        });
        self.tally.servers.add();
    }

    /// A connection, when a server listens. `None` if the run has ended.
    pub fn connect(&self) -> Option<Socket> {
        loop {
            match Socket::connect(self.path.as_path()) {
                _ if self.has_ended() => return None,
                Ok(socket) => return Some(socket),
                Err(_) => thread::park_timeout(Duration::from_millis(1)),
            }
        }
    }

    fn server(self: &Arc<Ground>) -> Server {
        let tally = Arc::clone(&self.tally);
        let limits = Limits {
            message_bytes: 1 << 20,
            message_time: Some(MESSAGE_TIME),
            clients: PLACES,
            decoded_bytes: DECODED_BYTES,
            total_bytes: TOTAL_BYTES,
            ..Limits::default()
        };
        let server = Server::builder().limits(limits).observe(move |event| tally.note(event));
        let server = server.build();
        let ground = Arc::clone(self);
        server.register(
            Service::new("Peer", ())
                .method("Numbered", move |_, call: Numbered| {
                    ground.executed[call.client].store(call.number, Ordering::SeqCst);
                    Ok::<_, String>(call)
                })
                .method("Echo", |_, arg: RawJson| Ok::<_, String>(arg))
                .method("Take", |_, _: Value| Ok::<_, String>(()))
                .method("Fail", |_, _: ()| Err::<(), _>("on purpose"))
                .method("Panic", |_, _: ()| -> Result<(), String> {
                    // Panics without a message on standard error.
                    std::panic::resume_unwind(Box::new("on purpose"))
                }),
        );
        server
    }
}

urpc::record! {
    /// A call with its client's number, its own number, and data that all comes back.
    #[derive(Debug, Default)]
    pub struct Numbered {
        pub client: usize,
        pub number: u64,
        pub text: String,
        pub files: Files,
    }
}
