//! The commands that run. Each leads a process group, so it can be ended with all that it has
//! started, as long as nobody has waited for it: its number belongs to nobody else until then. So
//! one lock is held to wait for a command and to kill one.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use urpc::process;

struct Commands {
    running: Vec<Child>,
    /// The server ends, and no command may run any more.
    are_over: bool,
}

static COMMANDS: Mutex<Commands> = Mutex::new(Commands { running: Vec::new(), are_over: false });

fn commands() -> MutexGuard<'static, Commands> {
    COMMANDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills all commands, and each that is started from now on.
pub fn kill_all() {
    let mut commands = commands();
    commands.are_over = true;
    commands.running.iter().for_each(kill);
}

/// It fails only if all processes of the group have ended, or run as another user by now.
fn kill(child: &Child) {
    let _ = process::kill_group(child);
}

/// A command that runs. Dropping it kills it, unless it has ended.
pub struct Running {
    id: u32,
}

impl Running {
    /// `child` must lead a process group.
    pub fn new(child: Child) -> Running {
        let running = Running { id: child.id() };
        let mut commands = commands();
        if commands.are_over {
            kill(&child);
        }
        commands.running.push(child);
        running
    }

    /// Its status, if it has ended. What it has left in its group runs on.
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let mut commands = commands();
        let Some(index) = self.index(&commands) else { return Ok(None) };
        match commands.running[index].try_wait()? {
            // It has ended, so this returns the same status at once.
            Some(_) => commands.running.swap_remove(index).wait().map(Some),
            None => Ok(None),
        }
    }

    fn index(&self, commands: &Commands) -> Option<usize> {
        commands.running.iter().position(|child| child.id() == self.id)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut commands = commands();
        let Some(index) = self.index(&commands) else { return };
        let mut child = commands.running.swap_remove(index);
        kill(&child);
        drop(commands);
        // It was killed above.
        let _ = child.wait();
    }
}
