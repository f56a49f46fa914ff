//! `autopsy CORE | LOG`: why a program died on a map.

use std::path::{Component, Path, PathBuf};

use mapscope_analysis::Autopsy;

use super::analyse;
use crate::args::{OpenArgs, OutputArgs, TargetArgs};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::open::{Manner, log};
use crate::session::Session;

/// Explain why a program died on a map
///
/// Which operation failed, on which map, with which key, and what the source calls the map that was
/// nil: by the machine code before the call, and by DWARF or, without it, by the types of the binary.
/// Of concurrent operations, which goroutines had the map, proven or suspected. The exit code is 1.
///
/// A LOG is any text that has the crash text which the program wrote, also where a log shipper has put
/// prefixes, JSON or other programs' lines around it. With --exe, the program itself, stripped or not,
/// it tells the map, field and key as the source writes them.
///
/// Example, with the sample that comes with mapscope, in samples/demo:
///   $ mapscope autopsy core.zst --exe exe.zst
///   ...
///   the map that was nil
///   expression  main.audit.Seen
///   ...
///
/// More examples:
///   GOTRACEBACK=crash ./server; mapscope autopsy core
///   mapscope autopsy core.4242 --exe ./server --format json
///   kubectl logs --previous server-7d9 | mapscope autopsy - --exe ./server
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A core file (also compressed by zstd or lz4), a recording, a log, or - for a log on standard
    /// input
    target: String,

    /// Of the crashes in a log, the one with this number; without, the last that is of a map
    #[arg(help_heading = "Target", long, value_name = "NUMBER")]
    crash: Option<usize>,

    /// Where the sources lie, if not where they were built: a file is looked for there by as much of
    /// its name as fits
    #[arg(help_heading = "Output", long, value_name = "DIR")]
    source: Option<PathBuf>,

    #[command(flatten)]
    how: OpenArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if log::is_log(&args.target) {
        return log::autopsy(&args.target, args.crash, &args.how, &Session::start(&args.output)?);
    }
    if args.crash.is_some() {
        return Err(Failure::new("--crash chooses among the crashes of a log, and this is none")
            .hint("a core is of one crash: leave --crash out")
            .into());
    }
    let target = TargetArgs { target: args.target.clone(), how: args.how.clone() };
    let source = |file: &str| source(args.source.as_deref(), file);
    let autopsy = Autopsy { source: Some(&source) };
    analyse(&autopsy, Manner::BeforeEmitting, &target, &args.output)
}

/// Largest source file that is read, in bytes.
const MAX_SOURCE: u64 = 8 << 20;

/// The text of a source file: in `dir`, by as much of the end of its name as fits, else where it was
/// built.
fn source(dir: Option<&Path>, file: &str) -> Option<String> {
    let file = Path::new(file);
    let read = |path: &Path| {
        let small = path.metadata().is_ok_and(|is| is.is_file() && is.len() <= MAX_SOURCE);
        small.then(|| std::fs::read_to_string(path).ok())?
    };
    let Some(dir) = dir else { return file.is_absolute().then(|| read(file))? };
    let parts: Vec<_> =
        file.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    (0..parts.len()).find_map(|first| read(&dir.join(parts[first..].iter().collect::<PathBuf>())))
}
