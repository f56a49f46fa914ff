//! A report as CSV.

use std::io::{self, Write};

use crate::out::Out;
use crate::{
    Cell, Field, Head, Note, Sink, Table, Tail, Value, escape, number, printable, text_value,
};

/// Renders a report's tables and blocks as CSV (RFC 4180, but with `\n` at the end of a line) with
/// a header row each and an empty line between them. Pictures and blocks without a title are left
/// out; notes and the tail go to a writer of their own.
pub struct Csv<W, N> {
    out: Out<W>,
    notes: N,
    blocks: u64,
    scratch: Vec<u8>,
}

impl<W: Write, N: Write> Csv<W, N> {
    /// A renderer that writes rows to `to` and what is said about them to `notes`.
    pub fn new(to: W, notes: N) -> Csv<W, N> {
        Csv { out: Out::new(to), notes, blocks: 0, scratch: Vec::new() }
    }

    fn begin(&mut self) {
        if self.blocks > 0 {
            self.out.buf.push(b'\n');
        }
        self.blocks += 1;
    }

    fn line<'c>(&mut self, cells: impl Iterator<Item = &'c Cell<'c>>) -> io::Result<()> {
        for (i, cell) in cells.enumerate() {
            if i > 0 {
                self.out.buf.push(b',');
            }
            push_cell(&mut self.out.buf, &mut self.scratch, cell);
        }
        self.out.buf.push(b'\n');
        self.out.spill()
    }

    fn say(&mut self, kind: &str, text: &str) -> io::Result<()> {
        writeln!(self.notes, "{kind}: {}", printable(text.as_bytes()))
    }
}

/// A cell by its plain value: sizes in bytes, times in nanoseconds, shares as fractions.
fn push_cell(out: &mut Vec<u8>, scratch: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell {
        Cell::Empty => {}
        Cell::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Cell::Int(n) => number::int(out, *n),
        Cell::Uint(n) | Cell::Count(n) | Cell::Bytes(n) => number::uint(out, *n),
        Cell::Float(n) | Cell::Percent(n) => number::go_float(out, *n),
        Cell::Addr(addr) => number::addr(out, *addr),
        Cell::Duration(time) => {
            number::uint(out, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        }
        Cell::Text(text) => escape::csv(out, text.as_bytes()),
        Cell::Value(Value::Int(n)) => number::int(out, *n),
        Cell::Value(Value::Str { bytes, len }) if *len == bytes.len() as u64 => {
            escape::csv(out, bytes);
        }
        Cell::Worded { value, .. } => push_cell(out, scratch, value),
        Cell::Value(_) | Cell::Unreadable(_) | Cell::List(_) => {
            scratch.clear();
            text_value::cell(scratch, cell);
            escape::csv(out, scratch);
        }
    }
}

impl<W: Write, N: Write> Sink for Csv<W, N> {
    fn head(&mut self, _head: &Head) -> io::Result<()> {
        Ok(())
    }

    fn fields(&mut self, _key: &str, title: &str, fields: &[Field<'_>]) -> io::Result<()> {
        if title.is_empty() {
            return Ok(());
        }
        self.begin();
        self.out.buf.extend_from_slice(b"field,value\n");
        for field in fields {
            self.line([&Cell::from(field.key), &field.cell].into_iter())?;
        }
        Ok(())
    }

    fn lines(&mut self, _key: &str, _title: &str, _lines: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn table(&mut self, table: &Table<'_>) -> io::Result<()> {
        self.begin();
        let head: Vec<Cell<'_>> = table.columns.iter().map(|c| Cell::from(c.key)).collect();
        self.line(head.iter())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        self.line(cells.iter())
    }

    fn end_table(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn note(&mut self, note: Note) -> io::Result<()> {
        self.say(note.kind.word(), &note.text)
    }

    fn finish(&mut self, tail: &Tail) -> io::Result<()> {
        self.out.flush()?;
        for text in &tail.missing {
            self.say("incomplete", text)?;
        }
        self.notes.flush()
    }
}
