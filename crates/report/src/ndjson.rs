//! A report as one JSON object a line.

use std::io::{self, Write};

use crate::json::{Members, push_fields, push_head, push_tail};
use crate::json_value::{array, member, string};
use crate::out::Out;
use crate::{Cell, Field, Head, Note, Sink, Table, Tail};

/// Renders a report as lines of JSON. In each, `_` names what it is: a table's or block's key, or
/// `summary`, which is the last and says how far the rest can be trusted.
pub struct Ndjson<W> {
    out: Out<W>,
    head: Head,
    members: Members,
    notes: Vec<Note>,
}

impl<W: Write> Ndjson<W> {
    /// A renderer that writes to `to`.
    pub fn new(to: W) -> Ndjson<W> {
        Ndjson {
            out: Out::new(to),
            head: Head::default(),
            members: Members::default(),
            notes: Vec::new(),
        }
    }

    fn line(&mut self, key: &str, content: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        open(&mut self.out.buf, key);
        content(&mut self.out.buf);
        self.out.buf.extend_from_slice(b"}\n");
        self.out.spill()
    }
}

fn open(out: &mut Vec<u8>, key: &str) {
    out.push(b'{');
    member(out, "_");
    string(out, key);
}

impl<W: Write> Sink for Ndjson<W> {
    fn head(&mut self, head: &Head) -> io::Result<()> {
        self.head = head.clone();
        Ok(())
    }

    fn fields(&mut self, key: &str, _title: &str, fields: &[Field<'_>]) -> io::Result<()> {
        self.line(key, |out| push_fields(out, fields))
    }

    fn lines(&mut self, key: &str, _title: &str, lines: &[String]) -> io::Result<()> {
        self.line(key, |out| {
            member(out, "lines");
            array(out, lines, |out, line| string(out, line));
        })
    }

    fn table(&mut self, table: &Table<'_>) -> io::Result<()> {
        let mut opening = Vec::new();
        open(&mut opening, table.key);
        self.members = Members::new(table.columns, &opening);
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        self.members.push_row(&mut self.out.buf, cells);
        self.out.buf.push(b'\n');
        self.out.spill()
    }

    fn end_table(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn note(&mut self, note: Note) -> io::Result<()> {
        self.notes.push(note);
        Ok(())
    }

    fn finish(&mut self, tail: &Tail) -> io::Result<()> {
        let (head, notes) = (std::mem::take(&mut self.head), std::mem::take(&mut self.notes));
        self.line("summary", |out| {
            push_head(out, &head);
            out.push(b',');
            push_tail(out, tail, &notes);
        })?;
        self.out.flush()
    }
}
