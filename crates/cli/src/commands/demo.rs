//! `demo`: ls, show, entries and autopsy on the core that comes with mapscope.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::exit::Outcome;
use crate::failure::Failure;

/// Run ls, show, entries and autopsy on the core that comes with mapscope
///
/// It is the core of a real Go process. Neither Go nor a running program is needed. Each command is
/// printed before its output.
///
/// Example:
///   $ mapscope demo
///   $ mapscope ls samples/demo/core.zst --exe samples/demo/exe.zst --limit 12
///
///   core file samples/demo/core.zst of process 26403, signal 6, go1.26.6
///   ...
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {}

/// What is run, without `mapscope` and the files.
const STEPS: [&[&str]; 4] = [
    &["ls", "--limit", "12"],
    &["show", "main.registry.Sessions"],
    &["entries", "main.registry.Sessions", "--values", "--limit", "5"],
    &["autopsy"],
];

/// Runs the command.
pub(crate) fn run(_: &Args) -> anyhow::Result<Outcome> {
    let samples = from_here(samples()?);
    let [core, exe] = ["core.zst", "exe.zst"].map(|name| samples.join(name).display().to_string());
    let mut outcome = Outcome::Fine;
    for (i, step) in STEPS.iter().enumerate() {
        let Some((command, rest)) = step.split_first() else { continue };
        let words = [&["mapscope", *command, &core, "--exe", &exe], rest].concat();
        let gap = if i > 0 { "\n" } else { "" };
        let shown = words.join(" ");
        match io::stdout().write_all(format!("{gap}$ {shown}\n\n").as_bytes()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(outcome),
            written => written?,
        }
        outcome = outcome.and(match one(&words)? {
            // That the program died is what the sample is for.
            Outcome::Found => Outcome::Fine,
            other => other,
        });
    }
    Ok(outcome)
}

fn one(words: &[&str]) -> anyhow::Result<Outcome> {
    match Cli::try_parse_from(words)?.command {
        Command::Demo(_) => Ok(Outcome::Fine),
        command => super::run(command),
    }
}

/// A path below the current directory without what leads there, so that the commands that are shown
/// are short.
fn from_here(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| Some(path.strip_prefix(here).ok()?.to_path_buf())).unwrap_or(path)
}

/// The directory of the sample: next to the binary, or in the repository it was built from.
fn samples() -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe().ok();
    let beside = beside.and_then(|exe| Some(exe.parent()?.join("samples/demo")));
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/demo"));
    let built = built.canonicalize().unwrap_or(built);
    let found = [beside, Some(built)].into_iter().flatten().find(|dir| dir.is_dir());
    found.ok_or_else(|| {
        Failure::new("the sample that comes with mapscope is not here")
            .hint("run it from the repository: cargo run --release -- demo")
    })
}
