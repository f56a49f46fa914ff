//! The commands, a file each.

pub(crate) mod doctor;
pub(crate) mod info;

use crate::args::Command;
use crate::exit::Outcome;

/// Runs one command.
pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Info(args) => info::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    }
}
