//! A report as one JSON object, streamed.

use std::io::{self, Write};

use crate::json_value::{self as json, array, boolean, member, string};
use crate::out::Out;
use crate::{Cell, Column, Field, Head, Note, Sink, Table, Tail};

/// Renders a report as one JSON object. A table's rows stand one a line.
pub struct Json<W> {
    out: Out<W>,
    members: Members,
    notes: Vec<Note>,
    rows: u64,
}

impl<W: Write> Json<W> {
    /// A renderer that writes to `to`.
    pub fn new(to: W) -> Json<W> {
        Json { out: Out::new(to), members: Members::default(), notes: Vec::new(), rows: 0 }
    }

    /// Begins another member of the report's object.
    fn member(&mut self, key: &str) {
        self.out.buf.extend_from_slice(b",\n");
        string(&mut self.out.buf, key);
        self.out.buf.push(b':');
    }
}

impl<W: Write> Sink for Json<W> {
    fn head(&mut self, head: &Head) -> io::Result<()> {
        self.out.buf.push(b'{');
        push_head(&mut self.out.buf, head);
        Ok(())
    }

    fn fields(&mut self, key: &str, _title: &str, fields: &[Field<'_>]) -> io::Result<()> {
        self.member(key);
        self.out.buf.push(b'{');
        push_fields(&mut self.out.buf, fields);
        self.out.buf.push(b'}');
        self.out.spill()
    }

    fn lines(&mut self, key: &str, _title: &str, lines: &[String]) -> io::Result<()> {
        self.member(key);
        array(&mut self.out.buf, lines, |out, line| string(out, line));
        self.out.spill()
    }

    fn table(&mut self, table: &Table<'_>) -> io::Result<()> {
        self.member(table.key);
        self.out.buf.push(b'[');
        self.members = Members::new(table.columns, b"{");
        self.rows = 0;
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        self.out.buf.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
        self.rows += 1;
        self.members.push_row(&mut self.out.buf, cells);
        self.out.spill()
    }

    fn end_table(&mut self) -> io::Result<()> {
        self.out.buf.push(b']');
        self.out.spill()
    }

    fn note(&mut self, note: Note) -> io::Result<()> {
        self.notes.push(note);
        Ok(())
    }

    fn finish(&mut self, tail: &Tail) -> io::Result<()> {
        self.out.buf.extend_from_slice(b",\n");
        push_tail(&mut self.out.buf, tail, &self.notes);
        self.out.buf.extend_from_slice(b"}\n");
        self.out.flush()
    }
}

/// What stands between the cells of a row, encoded once a table.
#[derive(Default)]
pub(crate) struct Members {
    before: Vec<Vec<u8>>,
}

impl Members {
    /// The members of `columns` in an object that opens with `open`.
    pub(crate) fn new(columns: &[Column], open: &[u8]) -> Members {
        let mut before = Vec::with_capacity(columns.len());
        for (i, column) in columns.iter().enumerate() {
            let mut text = if i == 0 { open.to_vec() } else { Vec::new() };
            member(&mut text, column.key);
            before.push(text);
        }
        Members { before }
    }

    /// One row as an object.
    pub(crate) fn push_row(&self, out: &mut Vec<u8>, cells: &[Cell<'_>]) {
        for (before, cell) in self.before.iter().zip(cells) {
            out.extend_from_slice(before);
            json::cell(out, cell);
        }
        out.push(b'}');
    }
}

pub(crate) fn push_head(out: &mut Vec<u8>, head: &Head) {
    for (name, text) in
        [("schema", &head.schema), ("command", &head.command), ("target", &head.target)]
    {
        member(out, name);
        string(out, text);
    }
}

pub(crate) fn push_fields(out: &mut Vec<u8>, fields: &[Field<'_>]) {
    for field in fields {
        member(out, field.key);
        json::cell(out, &field.cell);
    }
}

/// The members that end a report; the first comma is the caller's.
pub(crate) fn push_tail(out: &mut Vec<u8>, tail: &Tail, notes: &[Note]) {
    out.extend_from_slice(b"\"complete\":");
    boolean(out, tail.complete());
    member(out, "missing");
    array(out, &tail.missing, |out, text| string(out, text));
    member(out, "found");
    boolean(out, tail.found);
    member(out, "evidence");
    array(out, &tail.evidence, |out, text| string(out, text));
    member(out, "pause_ns");
    json::cell(out, &Cell::maybe(tail.pause, Cell::Duration));
    member(out, "notes");
    array(out, notes, push_note);
}

fn push_note(out: &mut Vec<u8>, note: &Note) {
    out.push(b'{');
    member(out, "kind");
    string(out, note.kind.word());
    member(out, "text");
    string(out, &note.text);
    out.push(b'}');
}
