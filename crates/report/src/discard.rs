//! A report that nobody reads.

use std::io;

use crate::{Cell, Field, Head, Note, Sink, Table, Tail};

/// Takes a report and keeps nothing of it, for a rehearsal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Sink for Discard {
    fn head(&mut self, _: &Head) -> io::Result<()> {
        Ok(())
    }

    fn fields(&mut self, _: &str, _: &str, _: &[Field<'_>]) -> io::Result<()> {
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
