//! `doctor [TARGET]`: what of this machine stands in the way.

use mapscope_report::{Cell, Column, Head, Sink, Table, Tail};
use mapscope_target::{Host, ProcessFacts};

use crate::args::OutputArgs;
use crate::doctor::{Check, Program, State, examine};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::open::Given;
use crate::session::Session;

/// Say what of this machine stands in the way, and what to do about it
///
/// What it looks at is uid, capabilities, yama, seccomp, containers, core settings, perf and BPF.
///
/// With a TARGET also whether that process can be read, whether and where its crash would leave a core,
/// where its crash text goes, what a profile of it would miss, and what to change.
///
/// Example:
///   $ mapscope doctor --format csv
///   check,state,found,remedy
///   ...
///   uid,ok,"0, with CAP_SYS_PTRACE: may read any process",
///   yama,ok,not in this kernel,
///   ...
///   core limit,limit,0: no core is written,"ulimit -c unlimited, in the shell that starts the program"
///   ...
///
/// Exits with 1 where something will not work.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A process id
    target: Option<String>,

    #[command(flatten)]
    output: OutputArgs,
}

const COLUMNS: [Column; 4] = [
    Column::left("check", "CHECK"),
    Column::left("state", "STATE"),
    Column::left("found", "FOUND"),
    Column::left("remedy", "REMEDY"),
];

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let pid = args.target.as_deref().map(process).transpose()?;
    let session = Session::start(&args.output)?;
    let process = pid.map(ProcessFacts::look);
    if let Some(gone) = process.as_ref().filter(|process| process.name.is_err()) {
        return Err(Failure::new(format!("there is no process {}", gone.pid)).into());
    }
    let process = process.as_ref().map(|process| (process, Program::of(process.pid)));
    let checks = examine(&Host::look(), process);
    session.report(|sink| emit(&checks, pid, sink))
}

fn process(target: &str) -> anyhow::Result<u32> {
    match Given::recognise(target)? {
        Given::Pid(pid) => Ok(pid),
        Given::Core(path) | Given::Recording(path) | Given::Exe(path) => {
            let path = path.display();
            Err(Failure::new(format!("doctor examines a process; {path} is a file"))
                .hint(format!("what a file is, and what works on it: mapscope info {path}"))
                .into())
        }
    }
}

fn emit(checks: &[Check], pid: Option<u32>, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let target = pid.map_or("this machine".into(), |pid| format!("this machine and process {pid}"));
    sink.head(&Head { command: "doctor".into(), schema: "mapscope.doctor/1".into(), target })?;
    sink.table(&Table { key: "checks", title: "", columns: &COLUMNS })?;
    for check in checks {
        sink.row(&[
            check.name.into(),
            check.state.word().into(),
            Cell::text(&*check.found),
            Cell::text(&*check.remedy),
        ])?;
    }
    sink.end_table()?;
    let found = checks.iter().any(|check| check.state == State::Problem);
    sink.finish(&Tail { found, ..Tail::default() })?;
    Ok(())
}
