//! `autopsy CORE`: why a program died on a map.

use mapscope_analysis::Autopsy;

use super::analyse;
use crate::args::{OutputArgs, TargetArgs};
use crate::exit::Outcome;
use crate::open::Manner;

/// Explain why a program died on a map
///
/// Which operation failed, on which map, with which key, and what the source calls the map that was
/// nil: by the machine code before the call, and by DWARF or, without it, by the types of the binary.
/// Of concurrent operations, which goroutines had the map, proven or suspected. The exit code is 1.
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
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    analyse(&Autopsy, Manner::BeforeEmitting, &args.target, &args.output)
}
