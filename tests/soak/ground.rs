//! The ground that all who take part share: where the servers are, and these one after another.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use urpc::json::RawJson;
use urpc::{Event, Files, Limits, Listener, Outcome, Server, Service, Socket};

use crate::support::PATIENCE;
use crate::tally::Tally;

pub struct Ground {
    pub path: PathBuf,
    ends: AtomicBool,
    /// The number of each client's call that was executed last.
    pub executed: Vec<AtomicU64>,
    pub tally: Arc<Tally>,
}

impl Ground {
    pub fn new(path: PathBuf, clients: usize) -> Ground {
        let executed = (0..clients).map(|_| AtomicU64::new(0)).collect();
        Ground { path, ends: AtomicBool::new(false), executed, tally: Arc::default() }
    }

    pub fn end(&self) {
        self.ends.store(true, Ordering::SeqCst);
    }

    pub fn has_ended(&self) -> bool {
        self.ends.load(Ordering::SeqCst)
    }

    /// Serves for `time`, then stops in one of the ways that there are.
    pub fn serve(self: &Arc<Ground>, number: u32, time: Duration) {
        let listener = Listener::bind(self.path.as_path()).unwrap();
        let server = self.server();
        thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve(&listener));
            let (_open, silent) = mpsc::channel::<()>();
            let _ = silent.recv_timeout(time);
            match number % 3 {
                0 => server.stop(Duration::ZERO),
                1 => server.stop(Duration::from_millis(20)),
                _ => assert_eq!(server.stop_within(Duration::ZERO, PATIENCE), 0),
            }
            serving.join().unwrap().unwrap();
        });
        self.tally.servers.add();
    }

    /// A connection, once there is a server; `None` if the run has ended.
    pub fn connect(&self) -> Option<Socket> {
        loop {
            match Socket::connect(self.path.as_path()) {
                Ok(socket) => return Some(socket),
                Err(_) if self.has_ended() => return None,
                Err(_) => thread::park_timeout(Duration::from_millis(1)),
            }
        }
    }

    fn server(self: &Arc<Ground>) -> Server {
        let tally = Arc::clone(&self.tally);
        let server = Server::builder()
            .limits(Limits { message_bytes: 1 << 20, ..Limits::default() })
            .observe(move |event| {
                if let Event::CallEnded { outcome: Outcome::Panicked, .. } = event {
                    tally.panicked.add();
                }
            })
            .build();
        let ground = Arc::clone(self);
        server.register(
            Service::new("Peer", ())
                .method("Numbered", move |_, call: Numbered| {
                    ground.executed[call.client].store(call.number, Ordering::SeqCst);
                    Ok::<_, String>(call)
                })
                .method("Echo", |_, arg: RawJson| Ok::<_, String>(arg))
                .method("Fail", |_, _: ()| Err::<(), _>("on purpose"))
                .method("Panic", |_, _: ()| -> Result<(), String> {
                    // Without a word on standard error.
                    std::panic::resume_unwind(Box::new("on purpose"))
                }),
        );
        server
    }
}

urpc::record! {
    /// A call that is known by its client and number, and what it carries, all of which comes back.
    #[derive(Debug, Default)]
    pub struct Numbered {
        pub client: usize,
        pub number: u64,
        pub text: String,
        pub files: Files,
    }
}
