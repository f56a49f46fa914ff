//! `verify TARGET [MAP]`: whether maps are whole.

use mapscope_analysis::Verify;

use super::analyse;
use crate::args::{Freeze, OutputArgs, TargetArgs};
use crate::exit::Outcome;
use crate::open::Manner;

/// Verify that maps are whole
///
/// Every rule that the runtime relies on, checked on one map or on all: counts, marks, directories,
/// chains, the place of every key by its hash, pointers into memory that is free or not there, keys
/// and elems that were written in part. A map caught in a write is racing, not broken. Exits with 1
/// when something is wrong.
///
/// Example, with the sample that comes with mapscope, in samples/demo:
///   $ mapscope verify core.zst --exe exe.zst
///   ...
///   hashed   4,127      keys whose hash was computed anew
///   ...
///   note: nothing is wrong with the 613 maps verified
///   ...
///
/// More examples:
///   mapscope verify 4242
///   mapscope verify core main.registry.Sessions --format json
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// The map: an address, a Go expression from a global variable, or a path that ls prints; all where there is none
    map: Option<String>,

    /// The type of the map, where it is not known otherwise
    #[arg(long = "as", value_name = "TYPE", requires = "map")]
    map_type: Option<String>,

    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let verify = Verify {
        map: args.map.clone(),
        map_type: args.map_type.clone(),
        racing: args.target.how.freeze == Freeze::None,
    };
    analyse(&verify, Manner::AllOver, &args.target, &args.output)
}
