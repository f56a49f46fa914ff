//! The result of an analysis as plain data, and its renderers.
//!
//! A report streams: an analysis emits it piece by piece to a [`Sink`], so that a table of
//! millions of rows needs constant memory. The order is always [`Sink::head`], then any number
//! of blocks ([`Sink::fields`], [`Sink::lines`], or a table: [`Sink::table`], [`Sink::row`] …,
//! [`Sink::end_table`]) with [`Sink::note`]s between them, then [`Sink::finish`].
//!
//! The renderers are [`Text`], [`Json`], [`Ndjson`] and [`Csv`]; docs/schema.md of the repository
//! is what they promise. Nothing here knows anything of Go processes. Whatever bytes a cell
//! carries, no renderer passes a control character of theirs on to a terminal.

mod cell;
mod csv;
mod discard;
mod escape;
mod json;
mod json_value;
mod ndjson;
mod number;
mod out;
mod sink;
mod text;
mod text_value;
mod through;
mod value;

pub use cell::Cell;
pub use csv::Csv;
pub use discard::Discard;
pub use json::Json;
pub use ndjson::Ndjson;
pub use sink::{Align, Column, Field, Head, Note, NoteKind, Sink, Table, Tail};
pub use text::Text;
pub use through::Through;
pub use value::Value;

/// `bytes` as one line that is safe on a terminal: control characters, bidirectional and
/// zero-width marks and bytes that are not UTF-8 stand as escapes (`\x1b`, `\u202e`).
pub fn printable(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    escape::plain(&mut out, bytes);
    String::from_utf8(out).unwrap_or_default()
}
