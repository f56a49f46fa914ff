//! The report of a death that was caught: that of its core, and how it was caught.

use std::io;
use std::path::Path;

use mapscope_analysis::{Analysis, Autopsy};
use mapscope_report::{Cell, Discard, Field, Head, Sink, Through};
use mapscope_runtime::Go;
use mapscope_runtime::crash::Crash;
use mapscope_runtime::goroutine::Scheduler;

use crate::args::{OpenArgs, TargetArgs};
use crate::commands::explain;
use crate::exit::Outcome;
use crate::open::{self, Manner};
use crate::session::Session;

/// A core that nobody asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unasked {
    /// It died of a nil pointer that came out of no map: it is not for us.
    Elsewhere,
    /// The same death was told where it began.
    Again,
}

impl std::fmt::Display for Unasked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unasked::Elsewhere => "it did not die on a map",
            Unasked::Again => "that death was told already",
        })
    }
}

impl std::error::Error for Unasked {}

/// Explains a core, with `caught` as the first thing that the report says. If it is `doubtful` whether
/// a map has to do with it, and none has, or it is a death that was told where it began, the error is
/// [`Unasked`] and nothing is said.
pub(super) fn autopsy(
    session: &Session,
    core: &Path,
    exe: &Path,
    caught: &[Field<'static>],
    doubtful: bool,
) -> anyhow::Result<Outcome> {
    let how = OpenArgs { exe: Some(exe.to_owned()), ..OpenArgs::default() };
    let target = TargetArgs { target: core.display().to_string(), how };
    open::read(&target, session, Manner::BeforeEmitting, &mut |opened, sink| {
        let go = opened.go()?;
        if doubtful {
            let mut asked = OfMap::default();
            Autopsy::default().run(go, &mut asked).map_err(explain)?;
            if !asked.said {
                return Err(Unasked::Elsewhere.into());
            }
        }
        if is_again(go) {
            return Err(Unasked::Again.into());
        }
        Autopsy::default().run(go, &mut Preceded { sink, caught }).map_err(explain)
    })
}

/// Whether it was stopped on its way from the place where this death began.
fn is_again(go: &Go<'_>) -> bool {
    let Ok(scheduler) = Scheduler::open(go) else { return false };
    Crash::find(go, &scheduler, &go.target.threads()).is_ok_and(|crash| crash.again)
}

/// Whether a report says that a nil pointer came out of a map.
#[derive(Default)]
struct OfMap {
    said: bool,
    rest: Discard,
}

impl Through for OfMap {
    fn to(&mut self) -> &mut dyn Sink {
        &mut self.rest
    }

    fn fields(&mut self, _: &str, _: &str, fields: &[Field<'_>]) -> io::Result<()> {
        self.said |= fields.iter().any(|f| f.key == "from_map" && f.cell == Cell::Bool(true));
        Ok(())
    }
}

/// A report with one more section, before its others.
struct Preceded<'s> {
    sink: &'s mut dyn Sink,
    caught: &'s [Field<'static>],
}

impl Through for Preceded<'_> {
    fn to(&mut self) -> &mut dyn Sink {
        self.sink
    }

    fn head(&mut self, head: &Head) -> io::Result<()> {
        let head = Head {
            command: "catch".into(),
            schema: "mapscope.catch/1".into(),
            target: head.target.clone(),
        };
        self.sink.head(&head)?;
        self.sink.fields("caught", "how it was caught", self.caught)
    }
}
