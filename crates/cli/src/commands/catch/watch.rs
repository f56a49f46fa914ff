//! Waiting for a death.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use mapscope_probe::{Bpf, Guardian, Hit, Process};
use mapscope_report::{Cell, Field};
use mapscope_runtime::crash::Kind;
use mapscope_target::{Live, Target};

use super::keep::Keeper;
use super::program::Program;
use super::{Args, report};
use crate::args::OutputArgs;
use crate::exit::Outcome;
use crate::open;
use crate::session::Session;

/// How long it waits before it looks whether it is to end.
const TICK: Duration = Duration::from_millis(100);

/// Arms a process and waits.
pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let pid = open::process(&args.pid)?;
    let live = Live::open(pid)?;
    let process = Process::open(pid)?;
    let exe = live.exe_path().unwrap_or_else(|| format!("/proc/{pid}/exe").into());
    let file = live.open_exe().with_context(|| format!("cannot open {}", exe.display()))?;
    let program = Program::of(file, &exe, &args.on)?;
    let keeper = Keeper::open(&args.dir, args.keep, args.max_disk)
        .with_context(|| format!("cannot make {}", args.dir.display()))?;
    let mut bpf = Bpf::load()?;
    let _guardian = Guardian::start(&bpf)?;
    let output = OutputArgs { format: args.format, ..OutputArgs::default() };
    let session = Session::start(&output)?;
    let offsets: Vec<u64> = program.sites.iter().map(|place| place.offset.0).collect();
    let _armed = bpf.arm(&program.path(), Some(pid), &offsets)?;
    say(&format!("armed: process {pid}, {}, {} places", exe.display(), offsets.len()));
    Watch { bpf, session, program, keeper, outcome: Outcome::Fine }.wait(&process)
}

/// Says how it goes, on stderr: stdout is the reports'.
fn say(text: &str) {
    let text = mapscope_report::printable(text.as_bytes());
    let _ = writeln!(std::io::stderr(), "mapscope: {text}");
}

/// What is armed, and what is done when it is hit.
struct Watch {
    bpf: Bpf,
    session: Session,
    program: Program,
    keeper: Keeper,
    outcome: Outcome,
}

impl Watch {
    fn wait(mut self, process: &Process) -> anyhow::Result<Outcome> {
        while self.keeper.more > 0 && !self.session.progress.cancelled() {
            // Whether it has ended is asked before: what it did until then has come by then.
            let ended = process.has_ended();
            match self.bpf.next(if ended { Duration::ZERO } else { TICK }) {
                Some(hit) if hit.stopped => self.caught(&hit)?,
                Some(_) => {}
                None if ended => {
                    say("the process has ended");
                    break;
                }
                None => {}
            }
        }
        Ok(self.outcome)
    }

    /// Keeps the process of a hit, lets it go, and explains its death.
    fn caught(&mut self, hit: &Hit) -> anyhow::Result<()> {
        let kind = self.program.kind_at(hit.at.0);
        let name = self.program.exe.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let taken = self.keeper.take(hit, &name);
        self.bpf.let_go(hit.pid, may_live(kind))?;
        let taken = taken.with_context(|| format!("process {} was not kept", hit.pid))?;
        let (stop, copied, threads) = (taken.stop, taken.bytes, taken.threads);
        let kept = self.keeper.keep(taken).context("the core was not kept")?;
        let fields = [
            Field::new("core", "core", Cell::text(kept.path.display().to_string())),
            report::bytes("core_bytes", "on disk", kept.bytes),
            Field::new("pid", "process", Cell::Uint(hit.pid.into())),
            Field::new("tid", "thread", Cell::Uint(hit.tid.into())),
            Field::new("threads", "threads", Cell::Uint(threads as u64)),
            report::bytes("copied_bytes", "copied", copied),
            Field::new("stop_ns", "stood still", Cell::Duration(stop)),
        ];
        let outcome = report::autopsy(&self.session, &kept.path, &self.program.path(), &fields)?;
        self.outcome = self.outcome.and(outcome);
        Ok(())
    }
}

/// Whether a program may live on after a death of this kind has begun: panics can be recovered from.
fn may_live(kind: Kind) -> bool {
    matches!(kind, Kind::NilMapWrite | Kind::Unhashable | Kind::NilDereference | Kind::Other)
}
