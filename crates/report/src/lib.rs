//! The result of an analysis as plain data, and its renderers.
//!
//! A report streams: an analysis emits it piece by piece to a [`Sink`], so that a table of
//! millions of rows needs constant memory. The order is always [`Sink::head`], then any number
//! of blocks ([`Sink::fields`], [`Sink::lines`], or a table: [`Sink::table`], [`Sink::row`] …,
//! [`Sink::end_table`]) with [`Sink::note`]s between them, then [`Sink::finish`].
//!
//! Nothing here knows anything of Go processes. Whatever bytes a cell carries, a renderer writes
//! no control character of theirs to a terminal.

mod cell;
mod sink;
mod value;

pub use cell::Cell;
pub use sink::{Align, Column, Field, Head, Note, NoteKind, Sink, Table, Tail};
pub use value::Value;
