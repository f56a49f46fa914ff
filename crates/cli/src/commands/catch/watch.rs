//! What is done with a death, however it was caught.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use mapscope_probe::Hit;
use mapscope_report::{Cell, Field, printable};
use mapscope_runtime::crash::Kind;

use super::keep::{Keeper, Taken};
use super::program::Program;
use super::{Args, On, report};
use crate::args::OutputArgs;
use crate::exit::Outcome;
use crate::failure;
use crate::session::Session;

/// How long to wait for a hit before looking whether it is time to end.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Says how it goes, on stderr: stdout is the reports'.
pub(super) fn say(text: &str) {
    // Nothing is left to be done where stderr is closed.
    let _ = writeln!(std::io::stderr(), "mapscope: {}", printable(text.as_bytes()));
}

/// What has been caught so far, and what may be yet.
pub(super) struct Watch {
    pub(super) keeper: Keeper,
    output: OutputArgs,
    session: Option<Session>,
    on: Vec<On>,
    pub(super) outcome: Outcome,
}

impl Watch {
    pub(super) fn new(keeper: Keeper, args: &Args) -> Watch {
        let output = OutputArgs { format: args.format, ..OutputArgs::default() };
        Watch { keeper, output, session: None, on: args.on.clone(), outcome: Outcome::Fine }
    }

    /// Starts what makes threads: whoever watches over the program has been made by now.
    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        self.session = Some(Session::start(&self.output)?);
        Ok(())
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.progress.cancelled())
    }

    /// Whether there is anything left to wait for.
    pub(super) fn goes_on(&self) -> bool {
        self.keeper.more > 0 && !self.is_cancelled()
    }

    /// Keeps what was taken of a process at `hit`, and explains it. What fails is told, and the watch
    /// goes on.
    pub(super) fn death(&mut self, program: &Program, hit: &Hit, taken: anyhow::Result<Taken>) {
        match taken.and_then(|taken| self.explain(program, hit, taken)) {
            Ok(outcome) => self.outcome = self.outcome.and(outcome),
            Err(error) => {
                failure::tell(&error.context(format!("process {} was not kept", hit.pid)));
                self.outcome = Outcome::Incomplete;
            }
        }
    }

    fn explain(&mut self, program: &Program, hit: &Hit, taken: Taken) -> anyhow::Result<Outcome> {
        let Some(session) = &self.session else { return Ok(Outcome::Fine) };
        let about = taken.about;
        let kept = self.keeper.write(taken)?;
        let fields = [
            Field::new("core", "core", Cell::text(kept.path.display().to_string())),
            Field::new("core_bytes", "on disk", Cell::Bytes(kept.bytes)),
            Field::new("pid", "process", Cell::Uint(hit.pid.into())),
            Field::new("tid", "thread", Cell::Uint(hit.tid.into())),
            Field::new("threads", "threads", Cell::Uint(about.threads as u64)),
            Field::new("copied_bytes", "copied", Cell::Bytes(about.bytes)),
            Field::new("stop_ns", "stood still", Cell::Duration(about.stop)),
        ];
        let doubtful =
            program.kind_at(hit.at) == Kind::NilDereference && !self.on.contains(&On::Any);
        let said = report::autopsy(session, &kept.path, &program.path(), &fields, doubtful);
        match said {
            Err(error) if error.is::<report::Unasked>() => {
                remove(&kept.path);
                Ok(Outcome::Fine)
            }
            said => {
                self.keeper.count(&kept);
                said
            }
        }
    }
}

fn remove(core: &Path) {
    if let Err(why) = std::fs::remove_file(core) {
        say(&format!("cannot remove {}, which nobody asked for: {why}", core.display()));
    }
}

/// Whether a program may live on after a death of this kind has begun: panics can be recovered from.
pub(super) fn may_live(kind: Kind) -> bool {
    matches!(kind, Kind::NilMapWrite | Kind::Unhashable | Kind::NilDereference | Kind::Other)
}
