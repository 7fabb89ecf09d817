//! The program's standard streams as pipes, copied from and to ours.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use urpc::process;

use crate::call::feed;
use crate::channel::{Receiver, channel};
use crate::clients;
use crate::outcome::{Failure, Outcome, print, print_error};

/// Our ends.
pub struct Pipes {
    input: File,
    output: File,
    errors: File,
}

impl Pipes {
    /// The program's ends, in the order of its descriptors, and ours.
    pub fn open() -> Result<([OwnedFd; 3], Pipes), Failure> {
        let pipe = || process::pipe().map_err(|error| Failure::local("pipe", error));
        let ((stdin, input), (output, stdout), (errors, stderr)) = (pipe()?, pipe()?, pipe()?);
        Ok(([stdin, stdout, stderr].map(OwnedFd::from), Pipes { input, output, errors }))
    }

    /// Starts to copy all three.
    pub fn copy(self) -> Result<Copying, Failure> {
        let (ended, end) = process::pipe().map_err(|error| Failure::local("pipe", error))?;
        let ended_too = ended.try_clone().map_err(|error| Failure::local("pipe", error))?;
        let (done, outcomes) = channel();
        let done_too = done.clone();
        // Nobody waits for it: it may wait for a terminal.
        clients::spawn(move || {
            let input = io::stdin().as_fd().try_clone_to_owned();
            let _ = input.and_then(|input| feed(File::from(input), self.input));
        })?;
        clients::spawn(move || {
            done.send(drain(self.output, &ended, &mut |bytes| print(bytes)));
        })?;
        clients::spawn(move || {
            let mut write = |bytes: &[u8]| {
                print_error(bytes);
                Ok(())
            };
            done_too.send(drain(self.errors, &ended_too, &mut write));
        })?;
        Ok(Copying { end, outcomes })
    }
}

/// Threads that copy.
pub struct Copying {
    end: File,
    outcomes: Receiver<Outcome>,
}

impl Copying {
    /// The program has ended. Waits until all that it wrote is copied. A process that it left behind
    /// may hold the pipes open, and is not waited for.
    pub fn finish(self) -> Outcome {
        drop(self.end);
        self.outcomes.iter().try_for_each(|outcome| match outcome {
            // The program has been told so by its own pipe.
            Err(Failure::Unread) => Ok(()),
            outcome => outcome,
        })
    }
}

/// Copies until the pipe's end. As soon as `ended` is at its end, only until the pipe is empty.
fn drain(mut pipe: File, ended: &File, write: &mut dyn FnMut(&[u8]) -> Outcome) -> Outcome {
    let failed = |error: io::Error| Failure::local("a pipe", error);
    let mut buffer = [0; 64 * 1024];
    // Of two that are readable, the first is reported.
    while process::wait_readable(&[pipe.as_fd(), ended.as_fd()], None).map_err(failed)? == Some(0) {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => write(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}
