//! The commands, a file each.

pub(crate) mod autopsy;
pub(crate) mod catch;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod entries;
pub(crate) mod get;
pub(crate) mod goroutines;
pub(crate) mod info;
pub(crate) mod inject;
pub(crate) mod ls;
pub(crate) mod repro;
pub(crate) mod show;
pub(crate) mod verify;

use mapscope_analysis::{Analysis, Error};

use crate::args::{Command, OutputArgs, TargetArgs};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::open::{self, Manner};
use crate::session::Session;

/// Runs one command.
pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Info(args) => info::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Ls(args) => ls::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Entries(args) => entries::run(&args),
        Command::Get(args) => get::run(&args),
        Command::Goroutines(args) => goroutines::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Autopsy(args) => autopsy::run(&args),
        Command::Catch(args) => catch::run(&args),
        Command::Repro(args) => repro::run(&args),
        Command::Inject(args) => inject::run(&args),
        Command::Demo(args) => demo::run(&args),
    }
}

/// Runs an analysis on a target.
fn analyse(
    analysis: &dyn Analysis,
    manner: Manner,
    target: &TargetArgs,
    output: &OutputArgs,
) -> anyhow::Result<Outcome> {
    let session = Session::start(output)?;
    open::read(target, &session, manner, &mut |opened, sink| {
        analysis.run(opened.go()?, sink).map_err(explain)
    })
}

/// What an analysis says is wrong, with what it says to do about it.
fn explain(error: Error) -> anyhow::Error {
    match error {
        Error::NotFound { message, hint } => {
            let failure = Failure::new(message);
            hint.into_iter().fold(failure, Failure::hint).into()
        }
        other => other.into(),
    }
}
