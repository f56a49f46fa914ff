//! What an analysis emits, and to whom.

use std::io;
use std::time::Duration;

use crate::Cell;

/// Takes a report piece by piece. Every error is the output's (a full disk, a closed pipe) and
/// ends the analysis; a target's faults are cells and notes instead.
pub trait Sink {
    /// Opens the report. Called once, first.
    fn head(&mut self, head: &Head) -> io::Result<()>;

    /// A block of named facts: in JSON an object under `key`. One without a title is a heading to
    /// what follows, and not in CSV.
    fn fields(&mut self, key: &str, title: &str, fields: &[Field<'_>]) -> io::Result<()>;

    /// Preformatted lines (a picture): in JSON an array of strings under `key`; not in CSV.
    fn lines(&mut self, key: &str, title: &str, lines: &[String]) -> io::Result<()>;

    /// Begins a table.
    fn table(&mut self, table: &Table<'_>) -> io::Result<()>;

    /// One row of the table begun last: as many cells as it has columns, in their order.
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()>;

    /// Ends the table.
    fn end_table(&mut self) -> io::Result<()>;

    /// Something the reader should know. It appears with the tail.
    fn note(&mut self, note: Note) -> io::Result<()>;

    /// Closes the report and flushes it. Called once, last.
    fn finish(&mut self, tail: &Tail) -> io::Result<()>;
}

/// What a report says first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The command, as typed: `ls`.
    pub command: String,
    /// The name and version of the JSON's schema: `mapscope.ls/1` (docs/schema.md).
    pub schema: String,
    /// The target in words: `process 4242, /srv/app, go1.26.6`. May hold a target's bytes.
    pub target: String,
}

/// A table's head.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// Its name in JSON: `maps`.
    pub key: &'a str,
    /// A heading for text where a report has several tables; may be empty.
    pub title: &'a str,
    /// Its columns.
    pub columns: &'a [Column],
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in JSON and CSV: `addr`.
    pub key: &'static str,
    /// Its heading in text: `ADDR`.
    pub title: &'static str,
    /// On which side text lines it up.
    pub align: Align,
    /// Left out of text unless everything is asked for; the other formats always have it.
    pub wide: bool,
}

impl Column {
    /// A column lined up on the left.
    pub const fn left(key: &'static str, title: &'static str) -> Column {
        Column { key, title, align: Align::Left, wide: false }
    }

    /// A column lined up on the right, for numbers.
    pub const fn right(key: &'static str, title: &'static str) -> Column {
        Column { key, title, align: Align::Right, wide: false }
    }

    /// The same column, left out of text unless everything is asked for.
    pub const fn wide(self) -> Column {
        Column { wide: true, ..self }
    }
}

/// On which side a column is lined up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// One named fact of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<'a> {
    /// Its name in JSON and CSV.
    pub key: &'static str,
    /// Its name in text.
    pub title: &'static str,
    /// What it is.
    pub cell: Cell<'a>,
    /// A word of explanation, shown behind it in text; may be empty. Not in JSON.
    pub about: std::borrow::Cow<'a, str>,
}

impl<'a> Field<'a> {
    /// A fact that needs no explanation.
    pub fn new(key: &'static str, title: &'static str, cell: Cell<'a>) -> Field<'a> {
        Field { key, title, cell, about: "".into() }
    }

    /// The same fact, explained.
    pub fn about(self, about: impl Into<std::borrow::Cow<'a, str>>) -> Field<'a> {
        Field { about: about.into(), ..self }
    }
}

/// Something the reader should know beside the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub kind: NoteKind,
    /// What it says. May hold a target's bytes.
    pub text: String,
}

impl Note {
    /// A note that explains.
    pub fn info(text: impl Into<String>) -> Note {
        Note { kind: NoteKind::Info, text: text.into() }
    }

    /// A note that limits what the answer means.
    pub fn warning(text: impl Into<String>) -> Note {
        Note { kind: NoteKind::Warning, text: text.into() }
    }
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// It explains.
    Info,
    /// It limits what the answer means.
    Warning,
}

impl NoteKind {
    /// The word that stands before the note.
    pub(crate) fn word(self) -> &'static str {
        match self {
            NoteKind::Info => "note",
            NoteKind::Warning => "warning",
        }
    }
}

/// What a report says last: how far it can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// What was not finished or could not be read. Empty means the answer is complete.
    pub missing: Vec<String>,
    /// What the layouts were taken from and what checked them.
    pub evidence: Vec<String>,
    /// How long the target was stopped, where it was.
    pub pause: Option<Duration>,
    /// Whether something was found that a caller may want to fail on (exit code 1).
    pub found: bool,
}

impl Tail {
    /// Whether nothing is missing from the answer.
    pub fn complete(&self) -> bool {
        self.missing.is_empty()
    }
}
