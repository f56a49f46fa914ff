//! The nil map of a write: what the source calls it.

use mapscope_binary::FileVa;
use mapscope_report::{Cell, Column, Field, Note, Sink, Table};
use mapscope_runtime::Go;
use mapscope_runtime::origin::naming::{By, FieldOf, Named, Namer, What};
use mapscope_runtime::origin::{Made, Origin, Unlisted};
use mapscope_runtime::types::{Kind, TypeId};
use mapscope_target::{Addr, MemoryExt};

use super::scene::Scene;
use super::{callers, makers, whence};
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
        named_by(&namer, &origin, site.back(), map)
    };
    let passed = || callers::loaded(scene, &site.value(origin.clone()));
    let named = namer.name(&origin).or_else(passed).filter(|named| is_map(go, named));
    let named = named.or_else(likely);
    let made = namer.made(&origin.made).filter(|named| is_map(go, named));
    let field = field(made.as_ref(), named.as_ref());
    let map = site.map_type().filter(|_| field.is_none());
    let unlisted = map.and_then(|map| namer.unlisted(&origin.made, map));
    let mut fields = match (&unlisted, &named) {
        (Some(unlisted), _) => by_method(unlisted),
        (None, Some(named)) => known(go, named, made.as_ref()),
        (None, None) => vec![nameless()],
    };
    let value = || site.value(origin.clone());
    let whence = field.is_none().then(|| whence::whence(scene, value(), map)).flatten();
    let passed = whence.as_ref().and_then(|whence| whence.field.as_ref());
    fields.extend(passed.into_iter().flat_map(|field| of_struct(go, field)));
    if let Some(whence) = &whence {
        fields.push(Field::new("came_from", "came from", Cell::text(whence.words.clone())));
    }
    sink.fields("nil", "the map that was nil", &fields)?;
    if let Some(field) = field {
        emit_holder(scene, &origin, field, sink)?;
    }
    // Stores to items of an array by an index are not told apart from others.
    if let Some(stored) = field.or(passed).filter(|field| !field.path.contains('[')) {
        makers::emit(go, stored, field.and_then(|field| global(&origin.made, field)), sink)?;
    }
    if unlisted.is_none() {
        emit_doubt(&namer, named.as_ref(), &origin, site.back(), site.map_type(), sink)?;
    }
    Ok(())
}

/// Says why there is no name, and which maps it may have been, where it has none or several share it.
pub(super) fn emit_doubt(
    namer: &Namer<'_, '_, '_>,
    named: Option<&Named>,
    origin: &Origin,
    back: FileVa,
    map: Option<TypeId>,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    if named.is_none() {
        sink.note(Note::warning(format!("which map was nil is not known: {}", how(origin))))?;
    }
    if named.is_none_or(|named| named.by == By::Shared) {
        let all = map.map(|map| namer.all_in_scope(&origin.made, back, map));
        if let Some(note) = all.and_then(|all| candidates(&all)) {
            sink.note(note)?;
        }
    }
    Ok(())
}

/// What a map is called of which no variable or type tells: as what a function returned, or likely.
pub(super) fn named_by(
    namer: &Namer<'_, '_, '_>,
    origin: &Origin,
    back: FileVa,
    map: TypeId,
) -> Option<Named> {
    namer
        .returned(&origin.made, map)
        .or_else(|| namer.in_scope(&origin.made, back, map))
        .or_else(|| namer.likely(&origin.made, back, map))
        .or_else(|| namer.shared(&origin.made, back, map))
}

/// Most names of which one may be the map's that are listed.
const MAX_CANDIDATES: usize = 8;

/// What the map may be called, where variables of the function lead to several.
fn candidates(all: &[String]) -> Option<Note> {
    let (last, others) = all.split_last().filter(|_| all.len() <= MAX_CANDIDATES)?;
    let names =
        if others.is_empty() { last.clone() } else { format!("{} or {last}", others.join(", ")) };
    Some(Note::info(format!("of its type the variables of the function lead to {names}")))
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

/// Whether a name is that of a map, and more than the type of one.
pub(super) fn is_map(go: &Go<'_>, named: &Named) -> bool {
    let What::Value(ty) = named.what else { return false };
    let ty = go.types.get(ty);
    matches!(ty.kind, Kind::Map(_)) && named.text != format!("({})", ty.name)
}

/// What is known of a field of a receiver whose type the binary does not have.
pub(super) fn by_method(field: &Unlisted) -> Vec<Field<'static>> {
    let Unlisted { holder, offset, indexed } = field;
    let item = if *indexed { "[…]" } else { "" };
    let text = format!("(*{holder})+{offset:#x}{item}");
    vec![
        Field::new("expression", "expression", Cell::text(text)),
        Field::new("known_by", "known", Cell::text(BY_METHOD)),
        Field::new("holder", "field of", Cell::text(holder.clone())),
        Field::new("offset", "offset", Cell::Uint(*offset)),
    ]
}

/// How the struct of [`by_method`] is known, in words.
const BY_METHOD: &str = "by the code before the call and the name of the method: the binary does not have the \
                         struct's type";

/// That there is no expression.
pub(super) fn nameless() -> Field<'static> {
    Field::new("expression", "expression", Cell::worded("not known", Cell::Empty))
}

/// How the names of a pointer that was followed are known, in words.
pub(super) fn pointer_by(by: By) -> &'static str {
    match by {
        By::Dwarf => "by DWARF and the code before",
        By::Types => "by the code before and the types of the binary",
        By::Elimination | By::Scope | By::Shared => {
            "likely: by the code before, and what alone fits"
        }
    }
}

/// How names are known, in words.
pub(super) fn by(by: By) -> &'static str {
    match by {
        By::Dwarf => "by DWARF and the code before the call",
        By::Types => {
            "by the code before the call and the types of the binary: no names of variables"
        }
        By::Elimination => {
            "likely: the only struct of the binary, or of this code's package, with such a field at this \
             offset, by the code before the call"
        }
        By::Scope => {
            "likely: the only map of this type that the variables of the function lead to; the code does \
             not tell where it came from"
        }
        By::Shared => {
            "likely: all maps of this type that the variables of the function lead to are this field; the \
             code does not tell of which"
        }
    }
}

pub(super) fn known(go: &Go<'_>, named: &Named, made: Option<&Named>) -> Vec<Field<'static>> {
    let by = by(named.by);
    let mut fields = vec![
        Field::new("expression", "expression", Cell::text(named.text.clone())),
        Field::new("known_by", "known", Cell::text(by)),
    ];
    if let Some(made) = made.filter(|made| made.text != named.text) {
        fields.push(Field::new("set_from", "set from", Cell::text(made.text.clone())));
    }
    if let Some(field) = field(made, Some(named)) {
        fields.extend(of_struct(go, field));
    }
    fields
}

/// The field of a struct.
pub(super) fn of_struct(go: &Go<'_>, field: &FieldOf) -> [Field<'static>; 3] {
    let holder = go.types.get(field.holder).name.clone();
    [
        Field::new("holder", "field of", Cell::text(holder)),
        Field::new("field", "field", Cell::text(field.path.clone())),
        Field::new("offset", "offset", Cell::Uint(field.offset)),
    ]
}

/// How the value came to be, in words, where it has no name.
fn how(origin: &Origin) -> &'static str {
    match &origin.made {
        Made::Constant(_) => "the function itself makes it nil",
        Made::Argument(_) | Made::Stacked(_) => "the function was called with it",
        Made::Context => "it is the function's closure",
        Made::Result { .. } => "another function returned it",
        Made::Received | Made::Filled { channel: true, .. } => "it was received from a channel",
        Made::Word { .. } => "it was loaded through a pointer of a type that is not known",
        Made::Either(_) => "the function has several ways to set it",
        _ => "the code before the call was not understood",
    }
}
