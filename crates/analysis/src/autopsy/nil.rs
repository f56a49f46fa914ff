//! The nil map of a write: what the source calls it.

use mapscope_binary::FileVa;
use mapscope_report::{Cell, Column, Field, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::origin::naming::{By, FieldOf, Named, Namer, What};
use mapscope_runtime::origin::{Made, Origin};
use mapscope_runtime::types::Kind;
use mapscope_target::{Addr, MemoryExt};

use super::makers;
use super::scene::Scene;
use crate::Error;

/// Says which map was nil.
pub(super) fn emit(
    scene: &Scene<'_, '_, '_, '_>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    let go = scene.go;
    let Some(site) = scene.site() else {
        missing.push("the call of the map operation: which map was nil".into());
        return Ok(());
    };
    let Some(origin) = site.argument(1) else {
        missing.push("the code before the call: which map was nil".into());
        return Ok(());
    };
    let namer = Namer::new(&site.body, site.entry);
    let likely = || {
        let map = site.map_type()?;
        namer.returned(&origin.made, map).or_else(|| namer.likely(&origin.made, map))
    };
    let named = namer.name(&origin).filter(|named| is_map(go, named)).or_else(likely);
    let made = namer.made(&origin.made).filter(|named| is_map(go, named));
    let fields = match &named {
        Some(named) => known(go, named, made.as_ref()),
        None => vec![Field::new("expression", "expression", Cell::Empty)],
    };
    sink.fields("nil", "the map that was nil", &fields)?;
    let field = field(made.as_ref(), named.as_ref());
    if let Some(field) = field {
        emit_holder(scene, &origin, field, sink)?;
        makers::emit(go, field, global(&origin.made, field), sink)?;
    }
    if named.is_none() {
        sink.note(Note::warning(format!("which map was nil is not known: {}", how(&origin))))?;
    }
    Ok(())
}

const FIELDS: &[Column] = &[
    Column::left("field", "FIELD"),
    Column::right("offset", "OFFSET"),
    Column::left("type", "TYPE"),
    Column::left("set", "SET"),
];

/// Largest struct whose fields are shown, in bytes.
const MAX_STRUCT: u64 = 1 << 16;

/// The struct that the nil map is a field of: which of its fields are set.
fn emit_holder(
    scene: &Scene<'_, '_, '_, '_>,
    origin: &Origin,
    field: &FieldOf,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    let go = scene.go;
    let holder = go.types.get(field.holder);
    let Kind::Struct(fields) = &holder.kind else { return Ok(()) };
    let Some(at) = scene.place(origin).and_then(|at| at.0.checked_sub(field.offset)) else {
        return Ok(());
    };
    let Ok(bytes) = go.memory().bytes(Addr(at), holder.size, MAX_STRUCT) else { return Ok(()) };
    let title = format!("the {} at {:#x}", holder.name, at);
    sink.table(&Table { key: "fields", title: &title, columns: FIELDS })?;
    for field in fields {
        let ty = go.types.get(field.ty);
        let range = field.offset as usize..field.offset.saturating_add(ty.size) as usize;
        let set = bytes.get(range).map(|bytes| bytes.iter().any(|byte| *byte != 0));
        sink.row(&[
            Cell::text(field.name.clone()),
            Cell::Uint(field.offset),
            Cell::text(ty.name.clone()),
            Cell::maybe(set, Cell::Bool),
        ])?;
    }
    sink.end_table()?;
    Ok(())
}

/// Where the struct lies that the map is a field of, if that is a global variable.
fn global(made: &Made, field: &FieldOf) -> Option<FileVa> {
    let Made::Word { base, index: None, offset } = made else { return None };
    let Made::Address(va) = base.made else { return None };
    let word = va.0.checked_add_signed(*offset)?;
    word.checked_sub(field.offset).map(FileVa)
}

/// The field that the map was loaded from, else that its name says.
fn field<'n>(made: Option<&'n Named>, named: Option<&'n Named>) -> Option<&'n FieldOf> {
    let of = |named: Option<&'n Named>| named.and_then(|named| named.field.as_ref());
    of(made).or_else(|| of(named))
}

pub(super) fn is_map(go: &Go<'_>, named: &Named) -> bool {
    match named.what {
        What::Value(ty) => matches!(go.types.get(ty).kind, Kind::Map(_)),
        What::Address(_) | What::Items(_) => false,
    }
}

pub(super) fn known(go: &Go<'_>, named: &Named, made: Option<&Named>) -> Vec<Field<'static>> {
    let by = match named.by {
        By::Dwarf => "by DWARF and the code before the call",
        By::Elimination => {
            "likely: the only struct of the binary with such a field at this offset, by the code before \
             the call"
        }
        By::Types => {
            "by the code before the call and the types of the binary: no names of variables"
        }
    };
    let mut fields = vec![
        Field::new("expression", "expression", Cell::text(named.text.clone())),
        Field::new("known_by", "known", Cell::text(by)),
    ];
    if let Some(made) = made.filter(|made| made.text != named.text) {
        fields.push(Field::new("set_from", "set from", Cell::text(made.text.clone())));
    }
    if let Some(field) = field(made, Some(named)) {
        let holder = go.types.get(field.holder).name.clone();
        fields.push(Field::new("holder", "field of", Cell::text(holder)));
        fields.push(Field::new("field", "field", Cell::text(field.path.clone())));
        fields.push(Field::new("offset", "offset", Cell::Uint(field.offset)));
    }
    fields
}

/// How the value came to be, in words, where it has no name.
pub(super) fn how(origin: &Origin) -> &'static str {
    match &origin.made {
        Made::Constant(_) => "the function itself makes it nil",
        Made::Argument(_) | Made::Stacked(_) => "the function was called with it",
        Made::Context => "it is the function's closure",
        Made::Result { .. } => "another function returned it",
        Made::Word { .. } => "it was loaded through a pointer of a type that is not known",
        Made::Either(_) => "the function has several ways to set it",
        _ => "the code before the call was not understood",
    }
}
