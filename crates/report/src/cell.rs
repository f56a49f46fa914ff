//! One typed cell of a table or field of a block.

use std::borrow::Cow;
use std::time::Duration;

use crate::Value;

/// A typed value of a report. Its unit is in its type, so that text can say `1.2 MiB` where JSON
/// says `1258291`.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// There is nothing to say here: a blank in text and CSV, `null` in JSON.
    Empty,
    /// Yes or no.
    Bool(bool),
    /// A plain signed number.
    Int(i64),
    /// A plain unsigned number.
    Uint(u64),
    /// A plain fraction; text shows at most three decimals.
    Float(f64),
    /// A number of things; text groups its digits by thousands.
    Count(u64),
    /// A size in bytes; text scales it (`1.2 MiB`), every other format has the number of bytes.
    Bytes(u64),
    /// A share, where `1.0` is all; text shows `87.5%`, every other format the fraction.
    Percent(f64),
    /// An address in the target: `0xc000012345`, in JSON a string.
    Addr(u64),
    /// Text, of ours or from the target.
    Text(Cow<'a, str>),
    /// A span of time; text scales it, every other format has nanoseconds.
    Duration(Duration),
    /// A decoded Go value.
    Value(Value<'a>),
    /// What should stand here could not be read, and why.
    Unreadable(Cow<'a, str>),
    /// Several cells; text joins them with `, `.
    List(Vec<Cell<'a>>),
    /// Other words for people than for programs.
    Worded {
        /// What text says.
        words: Cow<'a, str>,
        /// What every other format says.
        value: Box<Cell<'a>>,
    },
}

impl<'a> Cell<'a> {
    /// A text cell.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
        Cell::Text(text.into())
    }

    /// `words` in text, `value` in every other format.
    pub fn worded(words: impl Into<Cow<'a, str>>, value: Cell<'a>) -> Cell<'a> {
        Cell::Worded { words: words.into(), value: Box::new(value) }
    }

    /// `cell` of what is there, or [`Cell::Empty`].
    pub fn maybe<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell<'a>) -> Cell<'a> {
        value.map_or(Cell::Empty, cell)
    }

    /// `cell` of what could be read, or [`Cell::Unreadable`] with the error's text.
    pub fn read<T, E: std::fmt::Display>(
        value: Result<T, E>,
        cell: impl FnOnce(T) -> Cell<'a>,
    ) -> Cell<'a> {
        match value {
            Ok(value) => cell(value),
            Err(why) => Cell::Unreadable(why.to_string().into()),
        }
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Cell<'a> {
        Cell::Text(text.into())
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Cell::Text(text.into())
    }
}

impl<'a> From<Value<'a>> for Cell<'a> {
    fn from(value: Value<'a>) -> Cell<'a> {
        Cell::Value(value)
    }
}
