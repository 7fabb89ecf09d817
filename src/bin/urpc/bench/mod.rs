//! `urpc bench`: measures how long calls take, and how much of that the kernel needs.

mod histogram;
mod load;
mod report;

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use crate::args::Parsed;
use crate::outcome::{Failure, Outcome, print_error, say};
use crate::{address, call, values};
use histogram::Histogram;
use load::{BareClient, CallClient};
use report::Report;

/// The two kinds of load run in turns of this length, so that other programs affect both.
const TURN: Duration = Duration::from_millis(250);

/// The largest argument: each client and each server holds several copies.
const LARGEST: usize = 1 << 30;

pub fn run(parsed: &Parsed) -> Outcome {
    let plan = Plan::new(parsed)?;
    let (mut calls, mut bare) = plan.prepare(parsed)?;
    let (mut of_calls, mut of_bare) = (Histogram::new(), Histogram::new());
    let (mut called, mut left) = (Duration::ZERO, plan.time);
    let progress = Progress::new(&plan);
    while !left.is_zero() {
        let turn = left.min(TURN);
        if !bare.is_empty() {
            load::run(&mut bare, turn, &mut of_bare)?;
        }
        let began = Instant::now();
        load::run(&mut calls, turn, &mut of_calls)?;
        called += began.elapsed();
        left -= turn;
        progress.show(plan.time - left, of_calls.count());
    }
    drop(progress);
    let bare = (!bare.is_empty()).then_some(&of_bare);
    let report = Report { plan: &plan, calls: &of_calls, bare, time: called };
    report.print(parsed.has("json"))
}

/// What to measure.
pub struct Plan {
    pub clients: usize,
    pub time: Duration,
    pub files: usize,
    pub arg: Vec<u8>,
    /// The time limit for connecting and for each call.
    pub timeout: Option<Duration>,
    /// The method of another server. `None`: our own server is called.
    method: Option<String>,
}

impl Plan {
    fn new(parsed: &Parsed) -> Result<Plan, Failure> {
        let number = |name: &str, least, most, default: usize| match parsed.value(name) {
            None => Ok(default),
            Some(text) => values::number(text, least, most)
                .map(|number| number as usize)
                .map_err(|error| Failure::value(name, text, error)),
        };
        let method = match parsed.operands.get(1).map(|method| method.to_str()) {
            None if !parsed.operands.is_empty() => {
                return Err(Failure::Usage("METHOD is missing".to_owned()));
            }
            Some(None) => return Err(Failure::Usage("METHOD is not UTF-8".to_owned())),
            method => method.flatten().map(str::to_owned),
        };
        Ok(Plan {
            clients: number("clients", 1, 1000, 1)?,
            time: call::time(parsed, "seconds")?.unwrap_or(Duration::from_secs(3)),
            files: number("files", 0, 253, 0)?,
            arg: argument(parsed)?,
            timeout: call::time(parsed, "timeout")?,
            method,
        })
    }

    /// The connections. For our own server also as many bare ones.
    fn prepare(&self, parsed: &Parsed) -> Result<(Vec<CallClient>, Vec<BareClient>), Failure> {
        let Some(method) = &self.method else {
            let clients = (0..self.clients).map(|_| CallClient::of_own_server(self));
            let bare = (0..self.clients).map(|_| BareClient::new(self));
            return Ok((clients.collect::<Result<_, _>>()?, bare.collect::<Result<_, _>>()?));
        };
        let target = address::parse(&parsed.operands[0], parsed)?;
        let limit = self.timeout.unwrap_or(address::CONNECT_TIME);
        let connect = || target.connect(limit, "--timeout", false);
        let clients = (0..self.clients).map(|_| CallClient::new(self, method.clone(), connect()?));
        Ok((clients.collect::<Result<_, _>>()?, Vec::new()))
    }
}

fn argument(parsed: &Parsed) -> Result<Vec<u8>, Failure> {
    let operand = parsed.operands.get(2);
    let Some(text) = parsed.value("size") else { return call::argument(operand) };
    if operand.is_some() {
        return Err(Failure::Usage("--size and ARG are two arguments".to_owned()));
    }
    let size = values::size(text).ok().filter(|size| *size <= LARGEST);
    let size = size.ok_or_else(|| Failure::value("size", text, "a size such as 64K, up to 1G"))?;
    Ok([&b"\""[..], &vec![b'x'; size], b"\""].concat())
}

/// A line on standard error that is overwritten, if it is a terminal.
struct Progress {
    total: Duration,
    shown: bool,
}

impl Progress {
    fn new(plan: &Plan) -> Progress {
        Progress { total: plan.time, shown: io::stderr().is_terminal() }
    }

    fn show(&self, done: Duration, calls: u64) {
        if self.shown {
            let (done, total) = (done.as_millis() / 100, self.total.as_millis() / 100);
            let tenths = |time: u128| format!("{}.{}", time / 10, time % 10);
            let line = format!("\r{} s of {} s, {calls} calls", tenths(done), tenths(total));
            print_error(line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            say("");
        }
    }
}
