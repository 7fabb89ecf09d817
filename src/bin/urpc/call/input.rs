//! The input that an operand names: a file, a pipe or standard input. Opening and reading it end
//! with the time limit, because a pipe's other end may stay silent for ever.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsFd;

use urpc::process;

use crate::args::quoted;
use crate::outcome::Failure;
use crate::timelimit::TimeLimit;

/// The most bytes of a message that are read, unless an option raises it. `urpc trace` records
/// messages of up to 16 MiB.
pub const LONGEST: usize = 17 << 20;

pub struct Input {
    /// For the reader.
    pub name: String,
    reader: BufReader<File>,
    time: TimeLimit,
}

impl Input {
    pub fn standard(time: TimeLimit) -> Result<Input, Failure> {
        let name = "standard input".to_owned();
        let file = io::stdin().as_fd().try_clone_to_owned();
        let file = file.map_err(|error| Failure::local(&name, error))?;
        Ok(Input::new(name, file.into(), time))
    }

    /// Opening a named pipe waits for its writer.
    pub fn open(path: &OsStr, time: TimeLimit) -> Result<Input, Failure> {
        let (name, path) = (quoted(path), path.to_owned());
        let file = time
            .run(move || File::open(&path).map_err(|error| Failure::local(quoted(&path), error)))?;
        Ok(Input::new(name, file, time))
    }

    fn new(name: String, file: File, time: TimeLimit) -> Input {
        Input { name, reader: BufReader::new(file), time }
    }

    /// What was read and not consumed. Empty at the end.
    pub fn buffer(&mut self) -> Result<&[u8], Failure> {
        while self.reader.buffer().is_empty() {
            let failed = |error| Failure::local(&self.name, error);
            let file = self.reader.get_ref().as_fd();
            if process::wait_readable(&[file], self.time.left()).map_err(failed)?.is_none() {
                return Err(self.time.is_over());
            }
            match self.reader.fill_buf() {
                Ok([]) => break,
                Ok(_) => {}
                // Another process that shares the input has read it first.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::local(&self.name, error)),
            }
        }
        Ok(self.reader.buffer())
    }

    pub fn consume(&mut self, length: usize) {
        self.reader.consume(length);
    }

    /// Everything up to the end. `None` if that is more than `most` bytes.
    pub fn read_to_end(&mut self, most: usize) -> Result<Option<Vec<u8>>, Failure> {
        let mut text = Vec::new();
        loop {
            let read = self.buffer()?;
            let length = read.len();
            text.extend_from_slice(read);
            self.consume(length);
            if length == 0 || text.len() > most {
                return Ok(Some(text).filter(|text| text.len() <= most));
            }
        }
    }
}
