//! A running `urpc serve`.

use std::fs;

use urpc::Client;
use urpc::json::Value;

use crate::run::{Running, command_with_a_stray, names_in};
use crate::support::Scratch;

/// A running server, its socket, and its directory for files.
pub struct Host {
    pub path: String,
    pub running: Running,
    pub scratch: Scratch,
}

impl Host {
    pub fn start(name: &str, options: &[&str]) -> Host {
        Host::start_in(name, options, &[])
    }

    /// Starts it with more environment variables.
    pub fn start_in(name: &str, options: &[&str], variables: &[(&str, &str)]) -> Host {
        let scratch = Scratch::new(name);
        let path = scratch.path("host.sock").into_os_string().into_string().unwrap();
        fs::create_dir(scratch.path("tmp")).unwrap();
        // A descriptor that the command inherited by accident is not passed on.
        let mut serve = command_with_a_stray(&["serve", &path]);
        serve.args(options).env("TMPDIR", scratch.path("tmp")).envs(variables.iter().copied());
        let running = Running::start(&mut serve);
        Host { path, running, scratch }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.path.as_str()).unwrap()
    }

    /// Ends it by a signal and returns its standard error.
    pub fn stop(self, signal: &str) -> String {
        self.running.signal(signal);
        let (status, said) = self.running.wait();
        assert_eq!(status, 0, "{said}");
        assert_eq!(names_in(&self.scratch.path("")), ["tmp"], "its socket is left");
        assert!(names_in(&self.scratch.path("tmp")).is_empty());
        said
    }
}

/// The text of a call's remote error.
pub fn remote_error(result: Result<Value, urpc::Error>) -> String {
    result.unwrap_err().as_remote().unwrap().message().to_owned()
}
