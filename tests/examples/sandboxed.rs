//! The child of `supervisor`. It has only the socket on its standard input. It answers the calls
//! that come over it, and asks the host for files over a second socket that it gets in a call.

use std::error::Error;
use std::fs::File;
use std::io;
use std::process::ExitCode;
use std::sync::Mutex;

use urpc::{Address, Client, Files, Server, Service, Socket};

#[derive(Default)]
struct Sandbox {
    host: Mutex<Option<Client>>,
}

impl Sandbox {
    /// Takes the connection on which the host answers.
    fn attach(&self, mut files: Files) -> Result<(), String> {
        let socket = files.release(0).ok_or("there is no file with the call")?;
        let socket = Socket::from_fd(socket).map_err(|error| error.to_string())?;
        *self.host.lock().map_err(|error| error.to_string())? = Some(Client::new(socket));
        Ok(())
    }

    /// Reads the file that came with the call.
    fn read(&self, files: Files) -> Result<String, String> {
        read_first(files)
    }

    /// Asks the host for a file and reads it.
    fn fetch(&self, name: String) -> Result<String, String> {
        let host = self.host.lock().map_err(|error| error.to_string())?;
        let host = host.as_ref().ok_or("no host is attached")?;
        host.call("Host.Open", &name).map_err(|error| error.to_string()).and_then(read_first)
    }
}

fn read_first(mut files: Files) -> Result<String, String> {
    let file = files.release(0).ok_or("no file came")?;
    io::read_to_string(File::from(file)).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandboxed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let server = Server::new();
    server.register(
        Service::new("Sandbox", Sandbox::default())
            .method("Attach", Sandbox::attach)
            .method("Read", Sandbox::read)
            .method("Fetch", Sandbox::fetch),
    );
    server.handle(Socket::connect(Address::Inherited(0))?)?;
    Ok(())
}
