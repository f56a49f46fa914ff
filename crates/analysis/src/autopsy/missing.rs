//! A nil pointer that was followed: perhaps that of an elem that was not in its map.

use mapscope_binary::FileVa;
use mapscope_report::{Cell, Field, Sink};
use mapscope_runtime::origin::naming::Namer;
use mapscope_runtime::origin::{Made, Origin};

use super::scene::{Followed, Scene};
use super::{nil, registers};
use crate::Error;

/// Says which nil pointer was followed, and whether it came out of a map.
pub(super) fn emit(
    scene: &Scene<'_, '_, '_, '_>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    let Some(followed) = scene.followed() else {
        missing.push("the pointer that was followed".into());
        return Ok(());
    };
    let entry = followed.entry;
    let namer = Namer::new(&followed.body, followed.entry);
    let made = namer.made(&followed.origin.made);
    let named = namer.name(&followed.origin);
    let field = [&made, &named].into_iter().flatten().find_map(|named| named.field.clone());
    let made = made.map(|named| named.text);
    let by = named.as_ref().map(|named| nil::pointer_by(named.by));
    let name = named.map(|named| named.text);
    let source = source(scene, followed);
    let made = made.filter(|made| Some(made) != name.as_ref()).or_else(|| {
        let (source, _) = source.as_ref().filter(|(source, _)| source.frame > scene.user())?;
        Namer::new(&source.body, source.entry).name(&source.origin).map(|named| named.text)
    });
    let site = source.as_ref().and_then(|(source, back)| scene.call(source.frame, *back));
    let from_map = Cell::Bool(site.is_some());
    let mut fields = vec![match name {
        Some(name) => Field::new("expression", "expression", Cell::text(name)),
        None => nil::nameless(),
    }];
    fields.extend(by.map(|by| Field::new("known_by", "known", Cell::text(by))));
    if let Some(made) = made {
        fields.push(Field::new("set_from", "set from", Cell::text(made)));
    }
    fields.extend(field.iter().flat_map(|field| nil::of_struct(scene.go, field)));
    fields.push(Field::new("from_map", "from a map", from_map));
    if let Some(site) = site {
        let ty = site.map_type();
        let type_name = ty.map(|ty| scene.go.types.get(ty).name.clone());
        let key = ty.and_then(|ty| site.key(ty));
        let about = "it is not in the map, or its elem is nil";
        fields.extend([
            Field::new("type", "map", Cell::maybe(type_name, Cell::text)),
            Field::new("key", "key", Cell::maybe(key, Cell::Value)).about(about),
        ]);
    }
    sink.fields("followed", "the pointer that was nil", &fields)?;
    registers::emit_fault(scene, entry, sink)
}

/// Functions that a nil pointer is followed through, from one to its caller.
const MAX_CALLERS: usize = 8;

/// Where the nil pointer came out of a map: the value there, and the return address of the lookup.
fn source<'g, 'a>(
    scene: &Scene<'_, '_, 'g, 'a>,
    followed: Followed<'g, 'a>,
) -> Option<(Followed<'g, 'a>, FileVa)> {
    let values = std::iter::successors(Some(followed), |value| scene.passed(value));
    values.take(MAX_CALLERS).find_map(|value| {
        let back = looked_up(&value.origin)?;
        scene.call(value.frame, back)?;
        Some((value, back))
    })
}

/// Whether the nil pointer came out of a map.
pub(super) fn is_of_map(scene: &Scene<'_, '_, '_, '_>) -> bool {
    scene.followed().is_some_and(|followed| source(scene, followed).is_some())
}

/// The return address of the lookup in a map whose elem the value is.
fn looked_up(origin: &Origin) -> Option<FileVa> {
    let Made::Word { base, index: None, offset: 0 } = &origin.made else { return None };
    match base.made {
        Made::Result { call, number: 0, .. } => Some(call),
        _ => None,
    }
}
