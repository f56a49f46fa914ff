//! `catch`: keeps a program as it stands in the instant in which it begins to die on a map.

mod by_bpf;
mod by_ptrace;
mod keep;
mod program;
mod report;
mod start;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;
use mapscope_runtime::crash::Kind;

use crate::args::Format;
use crate::exit::Outcome;

/// Stop a program where it begins to die on a map, keep its core and explain it
///
/// Probes are put where only a dying operation of a map comes by: until then they cost the program
/// nothing. In that instant the kernel stops the whole program, its memory and registers are kept as
/// an ordinary ELF core, which gdb and delve read too, and the program goes on to die as it would have
/// died, or to live where it recovers. What `autopsy` says of the core is printed at once. The exit
/// code is 1 if something was caught, 0 if the program ended of something else.
///
/// Examples:
///   mapscope catch -p 4242 -o /var/cores
///   mapscope catch -p 4242 --follow --on concurrent --keep 20 --max-disk 64G
///   mapscope catch -o /var/cores -- ./server --port 8080
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["pid", "command"]))]
pub(crate) struct Args {
    /// The process to watch
    #[arg(short, long, value_name = "PID")]
    pid: Option<String>,

    /// The program to start and watch, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    /// The directory that cores are kept in
    #[arg(short = 'o', long = "output", value_name = "DIR", default_value = ".")]
    dir: PathBuf,

    /// The deaths to catch
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    #[arg(default_value = "nil,concurrent,unhashable")]
    on: Vec<On>,

    /// Watch every process that runs the same executable, now and later, also when it is replaced
    #[arg(long)]
    follow: bool,

    /// How many cores to keep: after that, this ends
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,

    /// How much of the disk they may take in all (500M, 8G)
    #[arg(long, value_name = "SIZE", default_value = "16G", value_parser = size)]
    max_disk: u64,

    /// How to watch; by default by BPF, and by ptrace where that is not allowed
    #[arg(long, value_name = "HOW")]
    with: Option<With>,

    /// The form of the reports, one for each death
    #[arg(help_heading = "Output", long, value_name = "FORM", default_value = "text")]
    format: Format,
}

/// How a program is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum With {
    /// Probes in the kernel: they cost nothing until they are hit
    Bpf,
    /// Breakpoints: each of the program's signals takes a way around by mapscope
    Ptrace,
}

/// A kind of death to catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum On {
    /// A write to a nil map
    Nil,
    /// Operations at once on one map, which the runtime notices
    Concurrent,
    /// A key that has no hash
    Unhashable,
    /// A nil pointer that a map had nothing else for
    Missing,
    /// Any panic or fatal error, of maps or not
    Any,
}

impl On {
    /// Whether a death of this kind is to be caught.
    fn takes(self, kind: Kind) -> bool {
        match self {
            On::Nil => kind == Kind::NilMapWrite,
            On::Unhashable => kind == Kind::Unhashable,
            On::Missing => kind == Kind::NilDereference,
            On::Any => true,
            On::Concurrent => !matches!(
                kind,
                Kind::NilMapWrite | Kind::Unhashable | Kind::NilDereference | Kind::Other
            ),
        }
    }
}

/// A size as people write one: a number of bytes, or with K, M, G or T of 1024 each.
fn size(text: &str) -> Result<u64, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let shift = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "" => 0,
        "K" | "k" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err("a number and K, M, G or T are wanted".into()),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{number}` is no number"))?;
    number.checked_mul(1 << shift).filter(|size| *size > 0).ok_or("it is out of range".into())
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    start::run(args)
}
