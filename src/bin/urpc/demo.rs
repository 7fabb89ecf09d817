//! `urpc demo`: shows what urpc does, on one screen.
//!
//! The server, the client and their socket are real. The relay of `urpc trace` is between them and
//! prints each message.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use urpc::{Client, Files, Listener, Server, Service, Socket};

use crate::clients::{ENDED_BY_SIGNAL, no_thread, small_thread, spawn, stop_signals};
use crate::outcome::{Failure, Outcome, print};
use crate::pretty;
use crate::relay::{Direction, Message, relay};
use crate::scratch::Scratch;

pub fn run() -> Outcome {
    // Before there is a directory: a signal must not leave it behind.
    let signals = stop_signals()?;
    let scratch = Scratch::new().map_err(|error| Failure::Local(error.to_string()))?;
    let scratch = Arc::new(scratch);
    let is_ended = Arc::new(AtomicBool::new(false));
    let (to_remove, end) = (Arc::clone(&scratch), Arc::clone(&is_ended));
    let outcome = spawn(move || {
        if signals.wait().is_ok() {
            end.store(true, Ordering::SeqCst);
            to_remove.remove();
            std::process::exit(ENDED_BY_SIGNAL);
        }
    });
    let outcome = outcome.and_then(|()| show_calls(&scratch));
    // Then the thread above ends the process. Its removal may be why `show_calls` failed.
    while is_ended.load(Ordering::SeqCst) {
        thread::park();
    }
    // The thread above may hold it to the end of the process.
    scratch.remove();
    outcome
}

fn show_calls(scratch: &Scratch) -> Outcome {
    let (relay_path, server_path) =
        (scratch.path().join("demo.sock"), scratch.path().join("server.sock"));
    let failed = |error: std::io::Error| Failure::Transport(error.to_string());
    let relayed = Listener::bind(&relay_path).map_err(failed)?;
    let listener = Listener::bind(&server_path).map_err(failed)?;
    // A connection waits in the listener's queue, so all are made before there are threads.
    let client = Client::connect(&relay_path)?;
    let client_side = relayed.accept().map_err(failed)?;
    let server_side = Socket::connect(&server_path).map_err(failed)?;
    let server = Server::new();
    server.register(demo_service());
    thread::scope(|scope| {
        let accepting = server.clone();
        // The loop closes the listener at its end, and so a connection that it has not accepted.
        let serve = move || accepting.serve(&listener);
        let serving = small_thread().spawn_scoped(scope, serve);
        let relay = move || relay(&client_side, &server_side, 1 << 20, None, &show);
        let relaying = serving.and_then(|serving| {
            small_thread().spawn_scoped(scope, relay).map(|relaying| (serving, relaying))
        });
        let outcome = match &relaying {
            Ok(_) => call_the_server(&relay_path, &client, scratch.path()),
            Err(_) => Ok(()),
        };
        client.close();
        // Before waiting for anything: waiting for a server that is not stopped would not end.
        server.stop(Duration::from_secs(5));
        outcome?;
        let (serving, relaying) = relaying.map_err(no_thread)?;
        let relayed = relaying.join().is_ok();
        match relayed && serving.join().is_ok_and(|served| served.is_ok()) {
            true => print(END),
            false => Err(Failure::Transport("the demo did not end as expected".to_owned())),
        }
    })
}

const END: &str = "   server.stop() has let the client leave; nothing is left behind.

Go on, in two terminals; 'urpc --help' names the rest:
    urpc serve ./a.sock --method Host.Echo=cat
    urpc call ./a.sock Host.Echo '[1,2]'
";

/// Prints a message. If nobody reads the output, printing the next chapter reports that.
fn show(direction: Direction, message: Message) {
    let shown = pretty::one_line(&message.text, message.size);
    let mut text = format!("   {} {shown}\n", direction.arrow());
    for (index, file) in message.files.iter().enumerate() {
        text.push_str(&format!("      + file {index}: {}\n", file.line()));
    }
    let _ = print(text);
}

fn call_the_server(socket: &Path, client: &Client, scratch: &Path) -> Outcome {
    print(format!(
        "A server and a client talk on {}\n\
         -> is what the client sends, <- what the server answers: all of it, byte for byte,\n\
         + the open files that are sent with it.\n\n\
         1. A call: the name of a method and its argument there, the result back.\n",
        socket.display()
    ))?;
    let greeting: Greeting = client.call("Demo.Greet", &Person { name: "world".into() })?;
    note(&format!("the caller has a typed result: {greeting:?}"))?;

    chapter("2. A call that sends two open files: the server reads what it could not open.")?;
    let files = ["first", "second"].map(|name| scratch_file(scratch, name));
    let files = files.into_iter().collect::<Result<Files, _>>();
    let files = files.map_err(|error| Failure::local("a file for the demo", error))?;
    let count: Count = client.call("Demo.Count", &Sent { files })?;
    note(&format!("the server has read {} bytes", count.bytes))?;

    chapter("3. A call that gets a file back: here a pipe, which the caller reads.")?;
    let mut opened: Opened = client.call("Demo.Open", &())?;
    let mut text = String::new();
    if let Some(pipe) = opened.files.release(0) {
        let _ = File::from(pipe).read_to_string(&mut text);
    }
    note(&format!("it reads {text:?}"))?;

    chapter("4. A method that does not exist: the server says so, the connection goes on.")?;
    expect_remote_error(client.call::<()>("Demo.Fly", &()))?;

    chapter("5. A method that fails: its error's text comes back.")?;
    expect_remote_error(client.call::<()>("Demo.Fail", &()))?;

    chapter("6. A clean stop.")
}

fn chapter(title: &str) -> Outcome {
    print(format!("\n{title}\n"))
}

fn note(text: &str) -> Outcome {
    print(format!("   {text}\n"))
}

fn expect_remote_error(result: Result<(), urpc::Error>) -> Outcome {
    match result {
        Err(error) if error.as_remote().is_some() => {
            note(&format!("the caller has a remote error: {error}"))
        }
        Err(error) => Err(error.into()),
        Ok(()) => Err(Failure::Transport("a call that must fail succeeded".to_owned())),
    }
}

fn scratch_file(scratch: &Path, name: &str) -> std::io::Result<File> {
    let path = scratch.join(name);
    fs::write(&path, name)?;
    File::open(path)
}

urpc::record! {
    #[derive(Debug, Default)]
    struct Person {
        name: String,
    }

    #[derive(Debug, Default)]
    struct Greeting {
        text: String,
    }

    #[derive(Debug, Default)]
    struct Sent {
        files: Files,
    }

    #[derive(Debug, Default)]
    struct Count {
        bytes: u64,
    }

    #[derive(Debug, Default)]
    struct Opened {
        files: Files,
    }
}

fn demo_service() -> Service<Demo> {
    Service::new("Demo", Demo)
        .method("Greet", Demo::greet)
        .method("Count", Demo::count)
        .method("Open", Demo::open)
        .method("Fail", Demo::fail)
}

struct Demo;

impl Demo {
    fn greet(&self, person: Person) -> Result<Greeting, String> {
        Ok(Greeting { text: format!("hello, {}", person.name) })
    }

    fn count(&self, mut sent: Sent) -> Result<Count, std::io::Error> {
        let mut text = Vec::new();
        for file in sent.files.release_all() {
            File::from(file).read_to_end(&mut text)?;
        }
        Ok(Count { bytes: text.len() as u64 })
    }

    fn open(&self, (): ()) -> Result<Opened, std::io::Error> {
        let (reader, mut writer) = urpc::process::pipe()?;
        writer.write_all(b"through a pipe from the server")?;
        Ok(Opened { files: Files::from(reader) })
    }

    fn fail(&self, (): ()) -> Result<(), &'static str> {
        Err("no space left on the moon")
    }
}
