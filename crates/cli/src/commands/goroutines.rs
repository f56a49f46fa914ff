//! `goroutines TARGET`: what every goroutine does.

use std::cell::RefCell;

use mapscope_analysis::{GoroutineRow, Goroutines};
use regex::Regex;

use super::analyse;
use crate::args::{OutputArgs, TargetArgs};
use crate::condition::{Column, Condition};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::open::Manner;

/// The words of Go's own tracebacks for what a goroutine is in.
const STATES: [&str; 8] =
    ["idle", "runnable", "running", "syscall", "waiting", "copystack", "preempted", "leaked"];

/// Show what every goroutine does
///
/// Goroutines with the same functions on their stacks, inlined ones too, stand together: how many,
/// what they do or wait for and for how long at least, the threads and processors they run on, who
/// began them. Works on stripped programs too.
///
/// Example, with the sample that comes with mapscope, in samples/demo:
///   $ mapscope goroutines core.zst --exe exe.zst --status running
///   ...
///   GROUP  COUNT  STATUS   WAITS FOR  FOR AT LEAST  FUNCTION     CREATED BY  GOROUTINES  THREADS
///       1      1  running                           main.record              1           M0 P1 thread 26403
///   ...
///       1      5  runtime.mapassign_faststr  internal/runtime/maps/runtime_faststr.go:265
///       1      6  main.record                demo/main.go:151
///   ...
///   note: 1 of 8 goroutines: 1 running
///   ...
///
/// More examples:
///   mapscope goroutines 4242
///   mapscope goroutines core --status running,runnable --each
///   mapscope goroutines core --map main.registry.Sessions
///   mapscope goroutines core --where 'reason == "select" && frames > 20'
///
/// A condition (--where) is a CEL expression over: id, waits (nanoseconds), tid and frames (int),
/// status, reason, function and created_by (string).
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// Only goroutines in these states
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',', value_parser = STATES)]
    status: Vec<String>,

    /// Only goroutines that hold this map in a frame, a register or a spill slot, how they do, and
    /// what they are doing to it; an address, a Go expression from a global variable, or a path that ls prints
    #[arg(long, value_name = "MAP")]
    map: Option<String>,

    /// Only goroutines with a function on their stack whose name matches this regular expression
    #[arg(long, value_name = "RE")]
    function: Option<Regex>,

    /// Only goroutines for which this CEL expression holds
    #[arg(long = "where", value_name = "EXPR")]
    condition: Option<String>,

    /// A row for each goroutine, not for each stack
    #[arg(long)]
    each: bool,

    /// Show at most this many rows; totals still count all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let condition = args.condition.as_deref().map(compile).transpose()?;
    // What the analysis reports of a failed condition is its text; the hint is kept here.
    let failure = RefCell::new(None);
    let holds = |row: &GoroutineRow| {
        let Some(condition) = &condition else { return Ok(true) };
        condition.holds(&columns(row)).map_err(|e: Failure| {
            let text = e.to_string();
            failure.replace(Some(e));
            text
        })
    };
    let accepts = |name: &str| args.function.as_ref().is_none_or(|re| re.is_match(name));
    let goroutines = Goroutines {
        status: args.status.clone(),
        map: args.map.clone(),
        function: args.function.as_ref().map(|_| &accepts as &dyn Fn(&str) -> bool),
        condition: condition
            .as_ref()
            .map(|_| &holds as &dyn Fn(&GoroutineRow) -> Result<bool, String>),
        each: args.each,
        limit: args.limit,
    };
    let result = analyse(&goroutines, Manner::BeforeEmitting, &args.target, &args.output);
    match failure.take() {
        Some(failure) if result.is_err() => Err(failure.into()),
        _ => result,
    }
}

fn compile(source: &str) -> Result<Condition, Failure> {
    let sample = GoroutineRow {
        id: 18,
        status: "waiting".into(),
        reason: "chan receive".into(),
        waits: 60_000_000_000,
        function: "main.worker".into(),
        created_by: "main.main".into(),
        tid: 0,
        frames: 3,
    };
    Condition::compile(source, &columns(&sample))
}

/// What a condition can name.
fn columns(row: &GoroutineRow) -> [(&'static str, Column<'_>); 8] {
    [
        ("id", Column::Int(row.id)),
        ("status", Column::Text(&row.status)),
        ("reason", Column::Text(&row.reason)),
        ("waits", Column::Int(row.waits)),
        ("function", Column::Text(&row.function)),
        ("created_by", Column::Text(&row.created_by)),
        ("tid", Column::Int(row.tid)),
        ("frames", Column::Int(row.frames)),
    ]
}
