//! A program that makes the calls of a client's cases, made with this library's client. `conform
//! --help` says what it takes and prints.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use urpc::json::RawJson;
use urpc::{Client, Error, Limits};

use crate::connection::{MOST_FILES, Probe};

urpc::record! {
    /// One line of such a program.
    #[derive(Debug, Default, PartialEq, Clone)]
    pub struct Outcome {
        /// `result`, `remote` or `failed`.
        pub outcome: String,
        /// The result as JSON text, or the text of the error.
        pub text: String,
        /// How many files came with the result.
        pub files: usize,
    }
}

/// Makes the calls that `words` ask for: ADDRESS METHOD TYPE FILES ARG...
pub fn run(words: &[String]) -> Result<(), String> {
    let [address, method, kind, files, args @ ..] = words else {
        return Err("usage: caller ADDRESS METHOD TYPE FILES ARG...".into());
    };
    let files: usize =
        files.parse().map_err(|_| format!("usage: {files} is no number of files"))?;
    let limits = Limits {
        send_files: MOST_FILES,
        receive_files: MOST_FILES,
        call_time: Some(Duration::from_secs(10)),
        ..Limits::for_client()
    };
    let client = Client::builder().limits(limits).connect(&**address);
    let client = client.map_err(|error| error.to_string())?;
    for arg in args {
        let outcome = match call(&client, method, kind, files, arg) {
            Ok((text, files)) => Outcome { outcome: "result".into(), text, files },
            Err(Error::Remote(error)) => {
                Outcome { outcome: "remote".into(), text: error.message().to_owned(), files: 0 }
            }
            Err(error) => Outcome { outcome: "failed".into(), text: error.to_string(), files: 0 },
        };
        println!("{}", urpc::json::to_string(&outcome).map_err(|error| error.to_string())?);
    }
    Ok(())
}

fn call(
    client: &Client,
    method: &str,
    kind: &str,
    files: usize,
    arg: &str,
) -> Result<(String, usize), Error> {
    if kind == "int" {
        let number: i64 = client.call(method, &RawJson::new(arg))?;
        return Ok((number.to_string(), 0));
    }
    let files = (0..files).map(|_| Probe::new("").map(|(_, file)| file));
    let files: Vec<OwnedFd> = files.collect::<Result<_, _>>().expect("files can be made");
    let borrowed = files.iter().map(AsFd::as_fd).collect::<Vec<_>>();
    let (result, files) = client.call_raw(method, arg.as_bytes(), &borrowed)?;
    Ok((String::from_utf8_lossy(result.as_bytes()).into_owned(), files.len()))
}
