//! The code at which the program stood: its source, its instructions, and what they were called with.

use mapscope_binary::CodeFrame;
use mapscope_report::{Cell, Column, Sink, Table};

use super::scene::{Scene, Site};
use crate::Error;

const SOURCE: &[Column] =
    &[Column::right("line", "LINE"), Column::left("here", ""), Column::left("text", "SOURCE")];

const CODE: &[Column] = &[
    Column::right("address", "ADDRESS"),
    Column::left("here", ""),
    Column::left("instruction", "INSTRUCTION"),
    Column::left("function", "FUNCTION"),
    Column::right("line", "LINE"),
];

const ARGUMENTS: &[Column] = &[
    Column::left("register", "REGISTER"),
    Column::left("role", "ROLE"),
    Column::right("word", "WORD"),
];

/// Instructions shown before and after the one that matters, and lines of source.
const BEFORE: usize = 8;
const AFTER: usize = 3;
const LINES: u32 = 2;

/// Shows the lines around `line`, where the file is at hand.
pub(super) fn emit_source(
    line: &CodeFrame<'_>,
    text: &str,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let first = line.line.saturating_sub(LINES).max(1);
    let title = format!("the source: {}", line.file);
    sink.table(&Table { key: "source", title: &title, columns: SOURCE })?;
    let lines = text.lines().zip(1u32..).skip(first as usize - 1);
    for (text, number) in lines.take_while(|(_, number)| *number <= line.line.saturating_add(LINES))
    {
        let here = number == line.line;
        sink.row(&[Cell::Uint(number.into()), mark(here), source_line(text)])?;
    }
    sink.end_table()?;
    Ok(())
}

/// Shows the instructions around the one at which the program's function stands.
pub(super) fn emit_code(scene: &Scene<'_, '_, '_, '_>, sink: &mut dyn Sink) -> Result<(), Error> {
    let Some((body, func, at)) = scene.stands() else { return Ok(()) };
    let title = format!("the code of {}", func.name());
    sink.table(&Table { key: "code", title: &title, columns: CODE })?;
    for listed in body.listing(at, BEFORE, AFTER) {
        let line = func.frames(listed.at).into_iter().next();
        let number = line.as_ref().map(|line| line.line).filter(|line| *line > 0);
        sink.row(&[
            Cell::Addr(scene.go.addr_of(listed.at).0),
            mark(listed.at == at),
            Cell::text(listed.text),
            Cell::maybe(line.map(|line| line.function), Cell::text),
            Cell::maybe(number, |line| Cell::Uint(line.into())),
        ])?;
    }
    sink.end_table()?;
    Ok(())
}

/// A line of source: tabs are indents, which text shows as such.
fn source_line(text: &str) -> Cell<'static> {
    Cell::worded(text.replace('\t', "    "), Cell::text(text.to_owned()))
}

fn mark(here: bool) -> Cell<'static> {
    Cell::worded(if here { ">" } else { "" }, Cell::Bool(here))
}

/// The registers in the order in which Go passes words (ABIInternal, cmd/compile/abi-internal.md).
const REGISTERS: [&str; 4] = ["RAX", "RBX", "RCX", "RDI"];

/// Shows what the operation was called with.
pub(super) fn emit_arguments(site: &Site<'_, '_, '_>, sink: &mut dyn Sink) -> Result<(), Error> {
    let roles = site.roles();
    sink.table(&Table {
        key: "arguments",
        title: "what the operation was called with",
        columns: ARGUMENTS,
    })?;
    for ((number, role), register) in roles.iter().enumerate().zip(REGISTERS) {
        let word = u8::try_from(number).ok().and_then(|number| site.word(number));
        let cell = Cell::maybe(word, |word| match word {
            0 => Cell::worded("0, nil", Cell::Addr(0)),
            word => Cell::Addr(word),
        });
        sink.row(&[Cell::text(register), Cell::text(*role), cell])?;
    }
    sink.end_table()?;
    Ok(())
}
