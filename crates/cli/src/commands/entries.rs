//! `entries TARGET MAP`: what is in one map.

use mapscope_analysis::Entries;
use mapscope_runtime::Limits;

use super::analyse;
use crate::args::{OutputArgs, TargetArgs};
use crate::exit::Outcome;
use crate::open::Manner;

/// List the entries of one map
///
/// Its keys, and its elems where --values asks for them. They are streamed: a map of any size takes
/// constant memory.
///
/// Example, with the sample that comes with mapscope, in samples/demo:
///   $ mapscope entries core.zst --exe exe.zst main.cache.Uses --values --limit 3
///   ...
///   KEY                 ELEM
///   "/search?page=108"  3348
///   "/help?page=95"     2945
///   "/search?page=68"   2108
///
///   note: 117 more entries not shown
///   ...
///
/// More examples:
///   mapscope entries core main.sessions --values --limit 10
///   mapscope entries 4242 0xc000012345 --format ndjson -o keys.ndjson
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// The map: an address, a Go expression from a global variable, or a path that ls prints
    map: String,

    /// The type of the map, where it is not known otherwise
    #[arg(long = "as", value_name = "TYPE")]
    map_type: Option<String>,

    /// Show elems too, not keys alone: they may hold secrets
    #[arg(long)]
    values: bool,

    /// Show at most this many entries
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// How many pointers, structs, arrays and interfaces deep values are shown
    #[arg(long, value_name = "N", default_value_t = Limits::default().depth)]
    depth: u32,

    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let entries = Entries {
        map: args.map.clone(),
        map_type: args.map_type.clone(),
        values: args.values,
        limit: args.limit,
        limits: Limits { depth: args.depth, ..Limits::default() },
    };
    analyse(&entries, Manner::WhileEmitting, &args.target, &args.output)
}
