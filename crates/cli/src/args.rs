//! The command line: what every command shares.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    autopsy, catch, demo, doctor, entries, get, goroutines, info, inject, ls, repro, show, verify,
};

/// See inside every map of a Go program: of a live process or of a core, without a rebuild.
#[derive(Debug, Parser)]
#[command(name = "mapscope", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 fine, 1 something was found, 2 mapscope or its use failed, \
    3 the answer is incomplete.")]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The questions, a file each under `commands`, where their arguments' documentation is what
/// `--help` says of them: clap would put that of a variant in its place.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Info(info::Args),
    Doctor(doctor::Args),
    Ls(ls::Args),
    Show(show::Args),
    Entries(entries::Args),
    Get(get::Args),
    Goroutines(goroutines::Args),
    Verify(verify::Args),
    Autopsy(autopsy::Args),
    Catch(catch::Args),
    Repro(repro::Args),
    Inject(inject::Args),
    Demo(demo::Args),
}

// Which target, and how to open it. What is flattened into a command has no documentation of its
// own, and headings of its arguments only: clap would take both for the command's.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetArgs {
    /// A process id, a core file (also compressed by zstd or lz4) or a recording
    pub(crate) target: String,

    #[command(flatten)]
    pub(crate) how: OpenArgs,
}

// How to open a target.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OpenArgs {
    /// The executable that the target runs, where it is not found by itself
    #[arg(help_heading = "Target", long, value_name = "FILE")]
    pub(crate) exe: Option<PathBuf>,

    /// Go on where the executable is not the one that the core was written by
    #[arg(help_heading = "Target", long)]
    pub(crate) force: bool,

    /// How to hold a live process still while it is read
    #[arg(help_heading = "Target", long, value_name = "HOW", default_value = "auto")]
    pub(crate) freeze: Freeze,

    /// The longest a live process may stand still at a time (500ms, 2s): then it is let go, and
    /// what was not read is missing from the answer, which says so
    #[arg(help_heading = "Target", long, value_name = "DURATION", default_value = "1s")]
    #[arg(value_parser = duration)]
    pub(crate) max_pause: Option<Duration>,

    /// Keep what is read in FILE, which is then a TARGET too. It holds raw memory of the process:
    /// keys, values and secrets
    #[arg(help_heading = "Target", long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// A duration as people write one: a number and `us`, `ms` or `s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return Err("a number and a unit are wanted: us, ms or s".into()),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{number}` is no number"))?;
    match Duration::try_from_secs_f64(number * scale) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("it has to be longer than nothing, and not for ever".into()),
    }
}

/// How a live process is held still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Freeze {
    /// The cheapest way that makes the answer true
    #[default]
    Auto,
    /// Stop all its threads for a moment
    Stop,
    /// Not at all: what is read races with the process, and is marked so
    None,
}

// Where the report goes and in which form.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OutputArgs {
    /// The form of the report
    #[arg(help_heading = "Output", long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,

    /// Write the report to FILE instead of stdout
    #[arg(help_heading = "Output", short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Show all columns in text
    #[arg(help_heading = "Output", long)]
    pub(crate) wide: bool,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people
    #[default]
    Text,
    /// One JSON object (docs/schema.md)
    Json,
    /// One JSON object a line
    Ndjson,
    /// A header row and comma-separated values
    Csv,
}
