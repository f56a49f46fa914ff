//! The report of a death that was caught: that of its core, and how it was caught.

use std::io;
use std::path::Path;

use mapscope_analysis::{Analysis, Autopsy};
use mapscope_report::{Cell, Field, Head, Note, Sink, Table, Tail};

use crate::args::{OpenArgs, TargetArgs};
use crate::commands::explain;
use crate::exit::Outcome;
use crate::open::{self, Manner};
use crate::session::Session;

/// It died of a nil pointer that came out of no map: it is not for us.
#[derive(Debug)]
pub(super) struct Elsewhere;

impl std::fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it did not die on a map")
    }
}

impl std::error::Error for Elsewhere {}

/// Explains a core, with `caught` as the first thing that the report says. If it is `doubtful` whether
/// a map has to do with it, and none has, the error is [`Elsewhere`] and nothing is said.
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
            let mut asked = OfMap(false);
            Autopsy::default().run(go, &mut asked).map_err(explain)?;
            if !asked.0 {
                return Err(Elsewhere.into());
            }
        }
        Autopsy::default().run(go, &mut Preceded { sink, caught }).map_err(explain)
    })
}

/// Whether a report says that a nil pointer came out of a map.
struct OfMap(bool);

impl Sink for OfMap {
    fn head(&mut self, _: &Head) -> io::Result<()> {
        Ok(())
    }

    fn fields(&mut self, _: &str, _: &str, fields: &[Field<'_>]) -> io::Result<()> {
        self.0 |= fields.iter().any(|f| f.key == "from_map" && f.cell == Cell::Bool(true));
        Ok(())
    }

    fn lines(&mut self, _: &str, _: &str, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn table(&mut self, _: &Table<'_>) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, _: &[Cell<'_>]) -> io::Result<()> {
        Ok(())
    }

    fn end_table(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn note(&mut self, _: Note) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: &Tail) -> io::Result<()> {
        Ok(())
    }
}

/// A report with one more section, before its others.
struct Preceded<'s> {
    sink: &'s mut dyn Sink,
    caught: &'s [Field<'static>],
}

impl Sink for Preceded<'_> {
    fn head(&mut self, head: &Head) -> io::Result<()> {
        let head = Head {
            command: "catch".into(),
            schema: "mapscope.catch/1".into(),
            target: head.target.clone(),
        };
        self.sink.head(&head)?;
        self.sink.fields("caught", "how it was caught", self.caught)
    }

    fn fields(&mut self, key: &str, title: &str, fields: &[Field<'_>]) -> io::Result<()> {
        self.sink.fields(key, title, fields)
    }

    fn lines(&mut self, key: &str, title: &str, lines: &[String]) -> io::Result<()> {
        self.sink.lines(key, title, lines)
    }

    fn table(&mut self, table: &Table<'_>) -> io::Result<()> {
        self.sink.table(table)
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        self.sink.row(cells)
    }

    fn end_table(&mut self) -> io::Result<()> {
        self.sink.end_table()
    }

    fn note(&mut self, note: Note) -> io::Result<()> {
        self.sink.note(note)
    }

    fn finish(&mut self, tail: &Tail) -> io::Result<()> {
        self.sink.finish(tail)
    }
}
