//! A report on its way to another sink.

use std::io;

use crate::{Cell, Field, Head, Note, Sink, Table, Tail};

/// Hands a report on, but for the pieces that an implementation changes: a [`Sink`] of which only what
/// differs is written.
pub trait Through {
    /// To whom.
    fn to(&mut self) -> &mut dyn Sink;

    /// As [`Sink::head`].
    fn head(&mut self, head: &Head) -> io::Result<()> {
        self.to().head(head)
    }

    /// As [`Sink::fields`].
    fn fields(&mut self, key: &str, title: &str, fields: &[Field<'_>]) -> io::Result<()> {
        self.to().fields(key, title, fields)
    }

    /// As [`Sink::finish`].
    fn finish(&mut self, tail: &Tail) -> io::Result<()> {
        self.to().finish(tail)
    }
}

impl<T: Through> Sink for T {
    fn head(&mut self, head: &Head) -> io::Result<()> {
        Through::head(self, head)
    }

    fn fields(&mut self, key: &str, title: &str, fields: &[Field<'_>]) -> io::Result<()> {
        Through::fields(self, key, title, fields)
    }

    fn lines(&mut self, key: &str, title: &str, lines: &[String]) -> io::Result<()> {
        self.to().lines(key, title, lines)
    }

    fn table(&mut self, table: &Table<'_>) -> io::Result<()> {
        self.to().table(table)
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        self.to().row(cells)
    }

    fn end_table(&mut self) -> io::Result<()> {
        self.to().end_table()
    }

    fn note(&mut self, note: Note) -> io::Result<()> {
        self.to().note(note)
    }

    fn finish(&mut self, tail: &Tail) -> io::Result<()> {
        Through::finish(self, tail)
    }
}
