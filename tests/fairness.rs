//! Fairness: of clients that call as fast as they can, none gets less than half of the mean share.
//! A client does not wait for the calls of the others. Shares are counted over a fixed number of
//! calls, so the result does not depend on a clock.

mod support;

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use support::available;
use support::{Gate, client_of, is_alone, run_alone, within_timeout};
use urpc::{Client, Server, Service};

/// The number of calls for each caller, if all get the same.
const SHARE: usize = 400;

fn server() -> (Server, Gate) {
    let (server, gate) = (Server::new(), Gate::new());
    let inner = gate.clone();
    server.register(
        Service::new("Peer", ()).method("Echo", |_, n: usize| Ok::<_, String>(n)).method(
            "Wait",
            move |_, n: usize| {
                inner.pass();
                Ok::<_, String>(n)
            },
        ),
    );
    (server, gate)
}

/// The number of calls that each of `clients` made, each on a thread of its own.
fn shares(clients: Vec<Arc<Client>>) -> Vec<usize> {
    let (count, start) = (clients.len(), Arc::new(Barrier::new(clients.len())));
    let made = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let (start, made) = (Arc::clone(&start), Arc::clone(&made));
            thread::spawn(move || {
                start.wait();
                let is_left = |_: &usize| made.fetch_add(1, Ordering::Relaxed) < count * SHARE;
                let call = |n| assert_eq!(client.call::<usize>("Peer.Echo", &n).unwrap(), n);
                (0..).take_while(is_left).map(call).count()
            })
        })
        .collect();
    callers.into_iter().map(|caller| caller.join().unwrap()).collect()
}

/// Checks that each share is at least `least`.
fn assert_fair(shares: &[usize], least: usize) {
    assert_eq!(shares.iter().sum::<usize>(), shares.len() * SHARE);
    let worst = *shares.iter().min().unwrap();
    assert!(worst >= least, "one got {worst}, where the mean is {SHARE}: {shares:?}");
}

/// Whether this process runs on one CPU. If not, starts a process that runs the test `name` on one.
/// With several CPUs, another program may keep one of them busy.
fn is_on_one_cpu(name: &str) -> bool {
    if !is_alone() && support::available::or_skip("taskset", support::available::program("taskset"))
    {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let first = list.unwrap().trim().split(['-', ',']).next().unwrap();
        run_alone(name, &format!("exec taskset -c {first}"));
    }
    is_alone()
}

#[test]
fn of_64_clients_none_gets_less_than_half_of_the_mean_share() {
    if !available::many_files() {
        return;
    }
    if is_on_one_cpu("of_64_clients_none_gets_less_than_half_of_the_mean_share") {
        let (server, _) = server();
        let clients = (0..64).map(|_| Arc::new(client_of(&server))).collect();
        assert_fair(&within_timeout(move || shares(clients)), SHARE / 2);
    }
}

#[test]
fn of_16_threads_that_share_a_client_each_has_its_turn() {
    if is_on_one_cpu("of_16_threads_that_share_a_client_each_has_its_turn") {
        let (server, _) = server();
        let client = Arc::new(client_of(&server));
        let clients = (0..16).map(|_| Arc::clone(&client)).collect();
        assert_fair(&within_timeout(move || shares(clients)), SHARE - SHARE / 20);
    }
}

#[test]
fn a_client_does_not_wait_for_those_whose_methods_run() {
    if !available::many_files() {
        return;
    }
    let (server, gate) = server();
    let waiting: Vec<_> = (0..63)
        .map(|n| {
            let client = client_of(&server);
            thread::spawn(move || assert_eq!(client.call::<usize>("Peer.Wait", &n).unwrap(), n))
        })
        .collect();
    gate.wait_for(63);
    let last = client_of(&server);
    within_timeout(move || {
        (0..100).for_each(|n| assert_eq!(last.call::<usize>("Peer.Echo", &n).unwrap(), n));
    });
    gate.open();
    waiting.into_iter().for_each(|client| within_timeout(move || client.join().unwrap()));
}
