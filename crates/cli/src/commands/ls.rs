//! `ls TARGET`: every map.

use std::cell::RefCell;

use clap::ValueEnum;
use mapscope_analysis::{By, Ls, MapRow, Order, SortKey};
use regex::Regex;

use super::analyse;
use crate::args::{OutputArgs, TargetArgs};
use crate::condition::{Column, Condition};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::open::Manner;

/// List every map of a target
///
/// Of each map: its address, type, length, capacity, load, size, waste and state, and what holds it;
/// with --wide also how it was found and how its type is known.
///
/// A map on which no path stands was found by the scan of the heap alone.
///
/// Example, with the sample that comes with mapscope, in samples/demo:
///   $ mapscope ls core.zst --exe exe.zst --by type --limit 4
///   ...
///   TYPE                 MAPS    LEN  CAPACITY   LOAD      BYTES     WASTED
///   map[string]string     600  1,200     4,800  25.0%  196.9 KiB  130.1 KiB
///   map[string]int          4  2,008     4,096  49.0%  106.8 KiB   57.6 KiB
///   map[string]uint64       1    120     4,096   2.9%  106.7 KiB  103.7 KiB
///   map[[4]uint8]uint32     1    150     8,192   1.8%   74.4 KiB   73.0 KiB
///   ...
///
/// More examples:
///   mapscope ls 4242
///   mapscope ls core --where 'bytes > 1000000 && load < 0.3' --sort wasted
///   mapscope ls core --type '^map\[string\]' --by type
///
/// A condition (--where) is a CEL expression over these columns: addr, len, capacity, bytes and
/// wasted (int), load (double), type, shape, state, path, found_by and typed_by (string).
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// Only maps whose type matches this regular expression
    #[arg(long = "type", value_name = "RE")]
    type_filter: Option<Regex>,

    /// Only maps for which this CEL expression holds
    #[arg(long = "where", value_name = "EXPR")]
    condition: Option<String>,

    /// Sort by this column, for example bytes, len:asc, path:desc
    #[arg(long, value_name = "COLUMN[:asc|desc]", value_parser = order, default_value = "bytes")]
    sort: Order,

    /// Show at most this many rows; totals still count all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Sum the maps up, a row each
    #[arg(long, value_name = "WHAT")]
    by: Option<Group>,

    #[command(flatten)]
    output: OutputArgs,
}

/// What maps are summed up by.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Group {
    /// A row for each type
    Type,
}

/// `COLUMN[:asc|desc]`.
fn order(text: &str) -> Result<Order, String> {
    let (name, direction) = text.split_once(':').unwrap_or((text, ""));
    let found = SortKey::ALL.iter().find(|(known, _)| *known == name);
    let Some(&(_, key)) = found else {
        let names: Vec<&str> = SortKey::ALL.iter().map(|(name, _)| *name).collect();
        return Err(format!("the columns are {}", names.join(", ")));
    };
    let descending = match direction {
        "" => key.descends(),
        "asc" => false,
        "desc" => true,
        _ => return Err("after the colon stands asc or desc".into()),
    };
    Ok(Order { key, descending })
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let condition = args.condition.as_deref().map(compile).transpose()?;
    // What the analysis reports of a failed condition is its text; the hint is kept here.
    let failure = RefCell::new(None);
    let holds = |row: &MapRow| {
        let Some(condition) = &condition else { return Ok(true) };
        condition.holds(&columns(row)).map_err(|e: Failure| {
            let text = e.to_string();
            failure.replace(Some(e));
            text
        })
    };
    let accepts = |name: &str| args.type_filter.as_ref().is_none_or(|re| re.is_match(name));
    let ls = Ls {
        type_filter: args.type_filter.as_ref().map(|_| &accepts as &dyn Fn(&str) -> bool),
        condition: condition.as_ref().map(|_| &holds as &dyn Fn(&MapRow) -> Result<bool, String>),
        order: args.sort,
        limit: args.limit,
        by: args.by.map(|Group::Type| By::Type),
    };
    let result = analyse(&ls, Manner::BeforeEmitting, &args.target, &args.output);
    match failure.take() {
        Some(failure) if result.is_err() => Err(failure.into()),
        _ => result,
    }
}

fn compile(source: &str) -> Result<Condition, Failure> {
    let sample = MapRow {
        addr: 0xc0_0000_0000,
        type_name: "map[string]int".into(),
        typed: true,
        shape: "swiss",
        len: 7,
        capacity: 8,
        load: 0.875,
        bytes: 256,
        wasted: 32,
        state: "steady".into(),
        path: "main.m".into(),
        found_by: "walk",
        typed_by: "static",
        estimated: false,
        likely: None,
        unreadable: None,
    };
    Condition::compile(source, &columns(&sample))
}

/// What a condition can name.
fn columns(row: &MapRow) -> [(&'static str, Column<'_>); 12] {
    [
        ("addr", Column::Int(row.addr)),
        ("type", Column::Text(&row.type_name)),
        ("shape", Column::Text(row.shape)),
        ("len", Column::Int(row.len)),
        ("capacity", Column::Int(row.capacity)),
        ("load", Column::Double(row.load)),
        ("bytes", Column::Int(row.bytes)),
        ("wasted", Column::Int(row.wasted)),
        ("state", Column::Text(&row.state)),
        ("path", Column::Text(&row.path)),
        ("found_by", Column::Text(row.found_by)),
        ("typed_by", Column::Text(row.typed_by)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read() {
        let descending = |text| order(text).map(|order| (order.key, order.descending));
        assert_eq!(descending("bytes"), Ok((SortKey::Bytes, true)));
        assert_eq!(descending("path"), Ok((SortKey::Path, false)));
        assert_eq!(descending("len:asc"), Ok((SortKey::Len, false)));
        assert!(descending("size").unwrap_err().contains("wasted"));
        assert!(descending("len:up").is_err());
    }
}
