//! Who makes the struct that has the nil map as a field, and who sets the field.

use mapscope_binary::{CodeFrame, FileVa};
use mapscope_report::{Cell, Column, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::origin::makers::{Makers, makers};
use mapscope_runtime::origin::naming::FieldOf;

use crate::Error;

const MAKERS: &[Column] = &[
    Column::left("function", "FUNCTION"),
    Column::left("file", "FILE"),
    Column::right("line", "LINE"),
    Column::left("sets", "SETS IT"),
];

const STORES: &[Column] = &[
    Column::left("function", "FUNCTION"),
    Column::left("file", "FILE"),
    Column::right("line", "LINE"),
    Column::left("how", "HOW"),
];

/// Most lines of either table.
const MAX_ROWS: usize = 50;

/// Says where values of the struct are made, and where the field is stored to. Of a global variable
/// of the struct's type, `global` is its place.
pub(super) fn emit(
    go: &Go<'_>,
    field: &FieldOf,
    global: Option<FileVa>,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let holder = &go.types.get(field.holder).name;
    let found = makers(go, field.holder, field.offset, global);
    let title =
        format!("what makes {holder} on the heap, and whether it sets .{} there", field.path);
    sink.table(&Table { key: "makers", title: &title, columns: MAKERS })?;
    for make in found.makes.iter().take(MAX_ROWS) {
        sink.row(&row(&make.line, Cell::Bool(make.stores)))?;
    }
    sink.end_table()?;
    let title = format!("what stores to .{} of {holder}", field.path);
    sink.table(&Table { key: "stores", title: &title, columns: STORES })?;
    for store in found.stores.iter().take(MAX_ROWS) {
        sink.row(&row(&store.line, Cell::text(store.by.words())))?;
    }
    sink.end_table()?;
    if found.stores.is_empty() {
        let text = format!("no code was seen that stores to .{} of {holder}", field.path);
        sink.note(Note::warning(text))?;
    }
    emit_limits(&found, sink)
}

fn row<'a>(line: &CodeFrame<'a>, last: Cell<'a>) -> [Cell<'a>; 4] {
    let number = (line.line > 0).then_some(line.line);
    [
        Cell::text(line.function),
        Cell::text(line.file),
        Cell::maybe(number, |line| Cell::Uint(line.into())),
        last,
    ]
}

/// What the tables do not show.
fn emit_limits(found: &Makers<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
    sink.note(Note::info(
        "values that never leave a stack, and stores through other pointers than a fresh one, a \
         method's receiver or a global variable, are not among these",
    ))?;
    if found.cut || found.makes.len() > MAX_ROWS || found.stores.len() > MAX_ROWS {
        sink.note(Note::info("there is more code that mentions the struct than is shown"))?;
    }
    Ok(())
}
