//! A report as text for people.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use crate::out::Out;
use crate::{
    Align, Cell, Column, Field, Head, Note, Sink, Table, Tail, escape, number, text_value,
};

/// How many rows decide the widths of the columns; later rows are streamed.
const WIDTHS_FROM: usize = 1000;
/// How many bytes of rows are held back for that.
const HELD: usize = 4 << 20;
/// The width, in columns of the terminal, up to which a cell widens its whole column.
const WIDEST: usize = 72;

/// How many missing things are told; a truncated core lacks thousands.
const MISSING: usize = 20;

/// Renders a report as aligned columns. Widths come from the first rows; a later row that is
/// wider pushes its line to the right.
pub struct Text<W> {
    out: Out<W>,
    wide: bool,
    blocks: u64,
    table: Grid,
    /// The heading of a table that has no row yet: without any, it is not shown.
    heading: Option<(String, Vec<&'static str>)>,
    notes: Vec<Note>,
}

impl<W: Write> Text<W> {
    /// A renderer that writes to `to`; `wide` shows the wide columns too.
    pub fn new(to: W, wide: bool) -> Text<W> {
        Text {
            out: Out::new(to),
            wide,
            blocks: 0,
            table: Grid::default(),
            heading: None,
            notes: Vec::new(),
        }
    }

    /// A blank line between blocks, and the block's title.
    fn begin(&mut self, title: &str) {
        if self.blocks > 0 {
            self.out.buf.push(b'\n');
        }
        self.blocks += 1;
        if !title.is_empty() {
            self.say("", title);
        }
    }

    fn say(&mut self, before: &str, text: &str) {
        self.out.buf.extend_from_slice(before.as_bytes());
        escape::plain(&mut self.out.buf, text.as_bytes());
        self.out.buf.push(b'\n');
    }
}

impl<W: Write> Sink for Text<W> {
    fn head(&mut self, head: &Head) -> io::Result<()> {
        if !head.target.is_empty() {
            self.begin(&head.target);
        }
        Ok(())
    }

    fn fields(&mut self, _key: &str, title: &str, fields: &[Field<'_>]) -> io::Result<()> {
        self.begin(title);
        let mut grid = Grid::new(&FIELD_COLUMNS, true);
        for field in fields {
            let about = Cell::Text((*field.about).into());
            grid.hold([&Cell::from(field.title), &field.cell, &about].into_iter());
        }
        grid.release(&mut self.out.buf);
        self.out.spill()
    }

    fn lines(&mut self, _key: &str, title: &str, lines: &[String]) -> io::Result<()> {
        self.begin(title);
        for line in lines {
            self.say("", line);
        }
        self.out.spill()
    }

    fn table(&mut self, table: &Table<'_>) -> io::Result<()> {
        self.table = Grid::new(table.columns, self.wide);
        let titles = table.columns.iter().map(|c| c.title).collect();
        self.heading = Some((table.title.to_owned(), titles));
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        if let Some((title, titles)) = self.heading.take() {
            self.begin(&title);
            let titles: Vec<Cell<'_>> = titles.into_iter().map(Cell::from).collect();
            self.table.hold(titles.iter());
        }
        self.table.hold(cells.iter());
        if self.table.full() {
            self.table.release(&mut self.out.buf);
            self.out.spill()?;
        }
        Ok(())
    }

    fn end_table(&mut self) -> io::Result<()> {
        self.table.release(&mut self.out.buf);
        self.out.spill()
    }

    fn note(&mut self, note: Note) -> io::Result<()> {
        self.notes.push(note);
        Ok(())
    }

    fn finish(&mut self, tail: &Tail) -> io::Result<()> {
        let notes = std::mem::take(&mut self.notes);
        if !(notes.is_empty() && tail == &Tail::default()) {
            self.begin("");
        }
        for note in &notes {
            self.say(&format!("{}: ", note.kind.word()), &note.text);
        }
        for text in tail.missing.iter().take(MISSING) {
            self.say("incomplete: ", text);
        }
        if let more @ 1.. = tail.missing.len().saturating_sub(MISSING) {
            self.say("incomplete: ", &format!("and {more} more, which --format json lists"));
        }
        for text in &tail.evidence {
            self.say("evidence: ", text);
        }
        if let Some(pause) = tail.pause {
            let mut text = Vec::new();
            number::duration(&mut text, pause);
            self.out.buf.extend_from_slice(b"stopped: the target stood still for ");
            self.out.buf.extend_from_slice(&text);
            self.out.buf.push(b'\n');
        }
        self.out.flush()
    }
}

const FIELD_COLUMNS: [Column; 3] =
    [Column::left("field", ""), Column::left("value", ""), Column::left("about", "")];

/// Rows held back until the widths of their columns are known.
#[derive(Default)]
struct Grid {
    /// Of each column: its side, whether it is shown, its width.
    columns: Vec<(Align, bool, usize)>,
    text: Vec<u8>,
    /// Of each held cell: where its text ends, and its width.
    cells: Vec<(usize, usize)>,
    settled: bool,
}

impl Grid {
    fn new(columns: &[Column], wide: bool) -> Grid {
        let columns = columns.iter().map(|c| (c.align, wide || !c.wide, 0)).collect();
        Grid { columns, ..Grid::default() }
    }

    /// Renders one row and holds it.
    fn hold<'c>(&mut self, cells: impl Iterator<Item = &'c Cell<'c>>) {
        for ((_, shown, column), cell) in self.columns.iter_mut().zip(cells) {
            let start = self.text.len();
            if *shown {
                text_value::cell(&mut self.text, cell);
            }
            let width = width(&self.text[start..]);
            self.cells.push((self.text.len(), width));
            if !self.settled {
                *column = (*column).max(width.min(WIDEST));
            }
        }
    }

    /// Whether the held rows should be written.
    fn full(&self) -> bool {
        self.settled
            || self.cells.len() >= WIDTHS_FROM * self.columns.len()
            || self.text.len() >= HELD
    }

    /// Writes the held rows. From then on the widths stand.
    fn release(&mut self, out: &mut Vec<u8>) {
        self.settled = true;
        let mut start = 0;
        for row in self.cells.chunks(self.columns.len().max(1)) {
            let mut owed = 0;
            for (&(align, shown, column), &(end, width)) in self.columns.iter().zip(row) {
                if !shown {
                    continue;
                }
                let room = column.saturating_sub(width);
                let (before, after) = if align == Align::Right { (room, 0) } else { (0, room) };
                owed += before;
                // Blanks are owed until something follows, so that no line ends in them.
                if end > start {
                    blanks(out, owed);
                    out.extend_from_slice(&self.text[start..end]);
                    owed = 0;
                    start = end;
                }
                owed += after + GAP;
            }
            out.push(b'\n');
        }
        self.text.clear();
        self.cells.clear();
    }
}

/// How many blanks stand between columns.
const GAP: usize = 2;

fn blanks(out: &mut Vec<u8>, mut count: usize) {
    const BLANKS: [u8; WIDEST + GAP] = [b' '; WIDEST + GAP];
    while count > 0 {
        let some = count.min(BLANKS.len());
        out.extend_from_slice(&BLANKS[..some]);
        count -= some;
    }
}

/// How many columns of a terminal `text` takes.
fn width(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    std::str::from_utf8(text).map_or(text.len(), UnicodeWidthStr::width)
}
