//! The two kinds of load: calls, and the same bytes and files sent there and back without urpc.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Instant;

use urpc::json::RawJson;
use urpc::socket::control::SCM_MAX_FD;
use urpc::{Client, Files, Limits, Server, Service, Socket};

use super::Plan;
use super::schedule::{Schedule, is_interrupted, is_late};
use crate::clients::{self, no_thread, small_thread};
use crate::histogram::Histogram;
use crate::outcome::{Failure, Outcome};

const OWN_METHOD: &str = "Bench.Echo";

/// One exchange: a message there and one back.
pub trait Load: Send {
    fn exchange(&mut self) -> Outcome;
}

/// Runs the exchanges of all `loads` at once, each on a thread of its own, until `until` or the end
/// of the schedule. An error ends all; the exchanges before it are counted.
pub fn run(
    loads: &mut [impl Load],
    schedule: &Schedule,
    until: Option<Instant>,
    into: &mut Histogram,
) -> Outcome {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut running = Vec::new();
        for load in loads {
            let over = &over;
            let run = move || run_one(load, schedule, until, over);
            match small_thread().spawn_scoped(scope, run) {
                Ok(thread) => running.push(thread),
                Err(error) => {
                    over.store(true, Ordering::Relaxed);
                    return Err(no_thread(error));
                }
            }
        }
        let mut outcome = Ok(());
        for thread in running {
            let lost = |_| Failure::Local("a thread panicked".to_owned());
            let (histogram, ended) = thread.join().map_err(lost)?;
            into.add(&histogram);
            outcome = outcome.and(ended);
        }
        outcome
    })
}

fn run_one(
    load: &mut impl Load,
    schedule: &Schedule,
    until: Option<Instant>,
    over: &AtomicBool,
) -> (Histogram, Outcome) {
    let mut histogram = Histogram::new();
    let mut last = Instant::now();
    // At least once, even if the thread starts late.
    while let Some(began) = schedule.next(last, until) {
        match load.exchange() {
            Ok(()) => {}
            Err(_) if is_interrupted() => break,
            Err(failure) => {
                over.store(true, Ordering::Relaxed);
                return (histogram, Err(explained(failure)));
            }
        }
        last = Instant::now();
        histogram.record(last.saturating_duration_since(began));
        let is_late = until.is_some_and(|until| last >= until);
        if is_late || is_interrupted() || over.load(Ordering::Relaxed) {
            break;
        }
    }
    (histogram, Ok(()))
}

/// Why an exchange failed: we have closed its connection if it was late.
fn explained(failure: Failure) -> Failure {
    match failure {
        Failure::Transport(_) if is_late() => {
            let late = "a call had no answer when the time to measure was over";
            Failure::Transport(late.to_owned())
        }
        failure => failure,
    }
}

fn files(plan: &Plan) -> Result<Vec<File>, Failure> {
    let files = (0..plan.files).map(|_| File::open("/dev/null"));
    files.collect::<Result<_, _>>().map_err(|error| Failure::local("/dev/null", error))
}

fn borrowed(files: &[File]) -> Vec<BorrowedFd<'_>> {
    files.iter().map(AsFd::as_fd).collect()
}

pub struct CallClient {
    client: Arc<Client>,
    method: String,
    arg: Vec<u8>,
    files: Vec<File>,
    /// Keeps our own server running.
    _server: Option<Server>,
}

impl CallClient {
    pub fn new(plan: &Plan, method: String, socket: Socket) -> Result<CallClient, Failure> {
        let limits = Limits { call_time: plan.timeout, ..limits(Limits::for_client()) };
        let client = Client::builder().limits(limits).build(socket).into();
        let (arg, files) = (plan.arg.clone(), files(plan)?);
        Ok(CallClient { client, method, arg, files, _server: None })
    }

    /// What ends a call that takes too long.
    pub fn weak(&self) -> Weak<Client> {
        Arc::downgrade(&self.client)
    }

    pub fn of_own_server(plan: &Plan) -> Result<CallClient, Failure> {
        let failed = |error| Failure::local("a pair of sockets", error);
        let (near, far) = Socket::pair().map_err(failed)?;
        let server = Server::builder().limits(limits(Limits::default())).build();
        server.register(Service::new("Bench", ()).raw_method("Echo", |(), arg, _, _| {
            Ok::<_, String>((RawJson::new(arg), Files::new()))
        }));
        server.start_handling(far)?;
        let client = CallClient::new(plan, OWN_METHOD.to_owned(), near)?;
        Ok(CallClient { _server: Some(server), ..client })
    }
}

fn limits(limits: Limits) -> Limits {
    Limits {
        send_files: SCM_MAX_FD,
        receive_files: SCM_MAX_FD,
        message_bytes: usize::MAX,
        decoded_bytes: usize::MAX,
        total_bytes: usize::MAX,
        ..limits
    }
}

impl Load for CallClient {
    fn exchange(&mut self) -> Outcome {
        self.client.call_raw(&self.method, &self.arg, &borrowed(&self.files))?;
        Ok(())
    }
}

/// Sends as many bytes as a call has, and receives as many as its reply has.
pub struct BareClient {
    socket: Socket,
    call: Vec<u8>,
    reply: usize,
    buffer: Vec<u8>,
    files: Vec<File>,
}

impl BareClient {
    pub fn new(plan: &Plan) -> Result<BareClient, Failure> {
        let failed = |error| Failure::local("a pair of sockets", error);
        let (near, far) = Socket::pair().map_err(failed)?;
        let (call, reply) = (call_size(plan), vec![0; reply_size(plan)]);
        let (mut buffer, answer) = (buffer(), reply.clone());
        let echo = move || {
            while receive(&far, call, &mut buffer).and_then(|()| send(&far, &answer, &[])).is_ok() {
            }
        };
        clients::spawn(echo)?;
        Ok(BareClient {
            socket: near,
            call: vec![0; call],
            reply: reply.len(),
            buffer: self::buffer(),
            files: files(plan)?,
        })
    }
}

pub fn call_size(plan: &Plan) -> usize {
    r#"{"method":"","arg":}"#.len() + OWN_METHOD.len() + plan.arg.len()
}

pub fn reply_size(plan: &Plan) -> usize {
    r#"{"success":true,"err":"","result":}"#.len() + plan.arg.len()
}

impl Load for BareClient {
    fn exchange(&mut self) -> Outcome {
        let exchanged = send(&self.socket, &self.call, &borrowed(&self.files))
            .and_then(|()| receive(&self.socket, self.reply, &mut self.buffer));
        exchanged.map_err(|error| Failure::Transport(error.to_string()))
    }
}

fn send(socket: &Socket, mut bytes: &[u8], mut files: &[BorrowedFd<'_>]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let sent = socket.send(bytes, files)?;
        bytes = &bytes[sent..];
        files = &[];
    }
    Ok(())
}

fn buffer() -> Vec<u8> {
    vec![0; 64 * 1024]
}

fn receive(socket: &Socket, mut size: usize, buffer: &mut [u8]) -> std::io::Result<()> {
    while size > 0 {
        let most = size.min(buffer.len());
        match socket.receive(&mut buffer[..most], SCM_MAX_FD)? {
            (0, _) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            (length, _) => size -= length,
        }
    }
    Ok(())
}
