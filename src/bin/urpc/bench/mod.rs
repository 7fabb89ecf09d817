//! `urpc bench`: measures how long calls take, and how much of that the kernel needs.

mod load;
mod report;
mod schedule;

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use crate::args::Parsed;
use crate::histogram::Histogram;
use crate::outcome::{Failure, Outcome, print_error, say};
use crate::{address, call, values};
use load::{BareClient, CallClient};
use report::Report;
use schedule::{Schedule, is_interrupted, is_late};

/// The two kinds of load run in turns of this length, so that other programs affect both.
const TURN: Duration = Duration::from_millis(250);

/// The largest argument: each client and each server holds several copies.
const LARGEST: usize = 1 << 30;

pub fn run(parsed: &Parsed) -> Outcome {
    let plan = Plan::new(parsed)?;
    // Before any thread is started, so that all threads block the signals.
    schedule::end_by_signal()?;
    let (mut calls, mut bare) = plan.prepare(parsed)?;
    schedule::measure(calls.iter().map(CallClient::weak).collect());
    let mut measured = Measured::new();
    let outcome = measured.measure(&plan, &mut calls, &mut bare);
    if measured.calls.count() == 0 {
        return Err(match outcome {
            Err(failure) if !is_late() => failure,
            _ => Failure::Transport("no call was answered".to_owned()),
        });
    }
    let bare = (!bare.is_empty()).then_some(&measured.bare);
    let report = Report { plan: &plan, calls: &measured.calls, bare, time: measured.time };
    // Before the failure: it is of the calls after these.
    report.print(parsed.has("json")).and(outcome)
}

/// What was measured until the end, or until a failure.
struct Measured {
    calls: Histogram,
    bare: Histogram,
    /// The time during which calls were made.
    time: Duration,
}

impl Measured {
    fn new() -> Measured {
        Measured { calls: Histogram::new(), bare: Histogram::new(), time: Duration::ZERO }
    }

    fn measure(
        &mut self,
        plan: &Plan,
        calls: &mut [CallClient],
        bare: &mut [BareClient],
    ) -> Outcome {
        let (schedule, free) = (Schedule::start(plan.rate, plan.count), Schedule::free());
        let (began, progress) = (Instant::now(), Progress::new(plan));
        plan.time.map_or(Ok(()), schedule::end_after)?;
        let until = plan.time.and_then(|time| began.checked_add(time));
        let is_early = || until.is_none_or(|until| Instant::now() < until);
        while !is_interrupted() && !schedule.is_over() && is_early() {
            // In the time that is left there are both turns.
            let left = until.map_or(TURN, |it| it.saturating_duration_since(Instant::now()));
            let turn = TURN.min(if bare.is_empty() { left } else { left / 2 });
            if !bare.is_empty() {
                load::run(bare, &free, Some(Instant::now() + turn), &mut self.bare)?;
            }
            let turn_began = Instant::now();
            let outcome = load::run(calls, &schedule, Some(turn_began + turn), &mut self.calls);
            self.time += turn_began.elapsed();
            outcome?;
            progress.show(began.elapsed(), self.calls.count());
        }
        Ok(())
    }
}

/// What to measure.
pub struct Plan {
    pub clients: usize,
    /// How long to measure. `None`: as long as there are calls to make.
    pub time: Option<Duration>,
    /// How many calls in 1000 seconds, of all clients.
    pub rate: Option<u64>,
    /// The number of calls.
    pub count: Option<u64>,
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
        let count = match parsed.has("count") {
            true => Some(number("count", 1, u32::MAX, 0)? as u64),
            false => None,
        };
        let default_time = count.is_none().then_some(Duration::from_secs(3));
        let rate = parsed
            .value("rate")
            .map(|text| values::rate(text).map_err(|error| Failure::value("rate", text, error)));
        Ok(Plan {
            clients: number("clients", 1, 1000, 1)?,
            time: call::time(parsed, "seconds")?.or(default_time),
            rate: rate.transpose()?,
            count,
            files: number("files", 0, 253, 0)?,
            arg: argument(parsed)?,
            timeout: call::time(parsed, "timeout")?,
            method,
        })
    }

    /// The connections. For our own server also as many bare ones, unless there is a rate: calls
    /// would be due during the turns of the others.
    fn prepare(&self, parsed: &Parsed) -> Result<(Vec<CallClient>, Vec<BareClient>), Failure> {
        let Some(method) = &self.method else {
            let clients = (0..self.clients).map(|_| CallClient::of_own_server(self));
            let count_of_bare = if self.rate.is_some() { 0 } else { self.clients };
            let bare = (0..count_of_bare).map(|_| BareClient::new(self));
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
    total: Option<Duration>,
    shown: bool,
}

impl Progress {
    fn new(plan: &Plan) -> Progress {
        Progress { total: plan.time, shown: io::stderr().is_terminal() }
    }

    fn show(&self, done: Duration, calls: u64) {
        if self.shown {
            let tenths = |time: Duration| {
                let tenths = time.as_millis() / 100;
                format!("{}.{} s", tenths / 10, tenths % 10)
            };
            let total = self.total.map_or(String::new(), |total| format!(" of {}", tenths(total)));
            print_error(format!("\r{}{total}, {calls} calls", tenths(done)));
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
