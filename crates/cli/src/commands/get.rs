//! `get TARGET MAP KEY`: one key looked up.

use mapscope_analysis::Get;
use mapscope_runtime::Limits;

use super::analyse;
use crate::args::{OutputArgs, TargetArgs};
use crate::exit::Outcome;
use crate::open::Manner;

/// Look one key up in a map, as the program itself would
///
/// Its hash, by the target's own seed and key schedule, the bucket or the table and group it leads
/// to, every slot looked at, and the elem, or the zero value where the key is not in the map. Nothing
/// is searched from end to end.
///
/// KEY is a Go literal of the map's key type: 5, -2.5, 'x', true, "text", {1, 2}, main.T{X: 1},
/// [2]int{1, 2}, a pointer as its address. What stands in an interface says its type: main.ID(7).
///
/// Example, with the sample that comes with mapscope, in samples/demo:
///   $ mapscope get core.zst --exe exe.zst main.cache.Uses '"/help?page=95"'
///   ...
///   every slot looked at
///   IN     NUMBER  AT              SLOT  MARK  VERDICT
///   group       1  0x1e834f9395d0     0  0x34  found
///
///   result
///   found      yes
///   elem       2945
///   ...
///
/// More examples:
///   mapscope get 4242 main.sessions 17
///   mapscope get core 0xc000012345 'main.Point{X: 1, Y: 2}' --format json
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// The map: an address, a Go expression from a global variable, or a path that ls prints
    map: String,

    /// The key, as a Go literal
    #[arg(allow_hyphen_values = true)]
    key: String,

    /// The type of the map, where it is not known otherwise
    #[arg(long = "as", alias = "type", value_name = "TYPE")]
    map_type: Option<String>,

    /// How many pointers, structs, arrays and interfaces deep the elem is shown
    #[arg(long, value_name = "N", default_value_t = Limits::default().depth)]
    depth: u32,

    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let get = Get {
        map: args.map.clone(),
        key: args.key.clone(),
        map_type: args.map_type.clone(),
        limits: Limits { depth: args.depth, ..Limits::default() },
    };
    analyse(&get, Manner::BeforeEmitting, &args.target, &args.output)
}
