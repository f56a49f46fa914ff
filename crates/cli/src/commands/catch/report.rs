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

/// Explains a core, with `caught` as the first thing that the report says.
pub(super) fn autopsy(
    session: &Session,
    core: &Path,
    exe: &Path,
    caught: &[Field<'static>],
) -> anyhow::Result<Outcome> {
    let how = OpenArgs { exe: Some(exe.to_owned()), ..OpenArgs::default() };
    let target = TargetArgs { target: core.display().to_string(), how };
    open::read(&target, session, Manner::BeforeEmitting, &mut |opened, sink| {
        let mut sink = Preceded { sink, caught };
        Autopsy.run(opened.go()?, &mut sink).map_err(explain)
    })
}

/// What it takes of the disk, the memory that was copied, and the like.
pub(super) fn bytes(key: &'static str, title: &'static str, bytes: u64) -> Field<'static> {
    Field::new(key, title, Cell::Bytes(bytes))
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
