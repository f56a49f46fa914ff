//! `show TARGET MAP`: one map in full.

use mapscope_analysis::Show;

use super::analyse;
use crate::args::{OutputArgs, TargetArgs};
use crate::exit::Outcome;
use crate::open::Manner;
use crate::render::terminal_width;

/// Show one map in full
///
/// Its header field by field, what it stores and wastes, what state it is in and what it waits for,
/// a picture of its occupancy, the layout of a bucket or group.
///
/// Example, with the sample that comes with mapscope, in samples/demo:
///   $ mapscope show core.zst --exe exe.zst 'main.registry.Shards[3].Counts'
///   ...
///   storage
///   shape       swiss
///   state       steady    steady: no growth under way
///   capacity    1,024     slots
///   load        49.0%
///   room        394       inserts left before it grows, if each finds a free slot
///   bytes       26.7 KiB  rounded up to size classes
///   wasted      14.4 KiB  of these, without an entry
///   tables      1
///   tombstones  0         deleted slots not yet reusable
///   ...
///   occupancy of 128 buckets or groups of 8
///   ▂▃▂▃▁▆▃▁▃▃▃▄▅▂▅▅▃▄▅▁▃▆▂▇▄█▄▆▆▆▇▃▃▃▅▃▂▃▅▄▂▂▂▇▃▅▅▁▂▅▂█▄▆▆▅▁▄▄▃▃▅▃▃▂▄▅▆▄▁▂▇▁█▄▇·▆▅▃
///   ...
///
/// More examples:
///   mapscope show 4242 0xc000012345
///   mapscope show core 'main.registry.Shards[3].Counts'
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

    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let show =
        Show { map: args.map.clone(), map_type: args.map_type.clone(), width: terminal_width() };
    analyse(&show, Manner::BeforeEmitting, &args.target, &args.output)
}
