//! What becomes of the files of a reply: they are stored or listed.

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::time::Duration;

use urpc::Files;

use super::show::Printer;
use crate::args::Parsed;
use crate::channel::channel;
use crate::outcome::{Failure, Outcome};
use crate::timelimit::TimeLimit;
use crate::{clients, save, values};

/// How long a call of `--batch` waits until the files of its reply are closed.
const CLOSE_TIME: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub struct Keep {
    /// Where to store them, if they are to be stored.
    directory: Option<PathBuf>,
    /// The most bytes of each.
    most: u64,
    printer: Printer,
    /// Which reply they came with, for the reader.
    place: String,
    /// Whether to close them. If not, the end of the process does.
    closes: bool,
}

impl Keep {
    pub fn new(parsed: &Parsed, printer: Printer) -> Result<Keep, Failure> {
        let most = parsed.value("max-save").map_or(Ok(save::DEFAULT_MOST), |text| {
            let size = values::size(text).map_err(|error| Failure::value("max-save", text, error));
            size.map(|size| size as u64)
        });
        let directory = parsed.value("save").map(PathBuf::from);
        directory.as_deref().map_or(Ok(()), save::check)?;
        Ok(Keep { directory, most: most?, printer, place: String::new(), closes: false })
    }

    /// For the reply to a line of `--batch`, whose files have a directory of their own.
    pub fn of_line(&self, line: u64) -> Keep {
        Keep {
            directory: self.directory.as_ref().map(|directory| directory.join(line.to_string())),
            place: format!("line {line}: "),
            closes: true,
            ..self.clone()
        }
    }

    /// Stores or lists the files. Stores as many as it can.
    pub fn files(self, files: ManuallyDrop<Files>, time: TimeLimit) -> Outcome {
        let kept = time.run(move || {
            let Keep { directory, most, printer, place, closes } = self;
            let kept = match directory {
                Some(directory) => save::save(&directory, &files, most, &|line| {
                    printer.line(&format!("{place}{line}"));
                }),
                None => {
                    printer.list(&files, &place);
                    Ok(())
                }
            };
            if closes {
                // On a thread, as it may block for as long as the remote program likes. As many as
                // there are free descriptors can do so. Then calls with files fail. A close that
                // does not block is waited for, so that it does not compete with the next call.
                let (sender, closed) = channel::<()>();
                clients::spawn(move || {
                    drop(ManuallyDrop::into_inner(files));
                    drop(sender);
                })?;
                closed.receive(Some(CLOSE_TIME));
            }
            kept
        });
        // The time was over while a file was being stored.
        if matches!(kept, Err(Failure::Transport(_))) {
            save::abandon();
        }
        kept
    }
}
