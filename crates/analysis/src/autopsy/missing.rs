//! A nil pointer that was followed: perhaps that of an elem that was not in its map.

use mapscope_binary::FileVa;
use mapscope_report::{Cell, Field, Sink};
use mapscope_runtime::origin::naming::Namer;
use mapscope_runtime::origin::{Made, Origin};

use super::scene::Scene;
use crate::Error;

/// Says which nil pointer was followed, and whether it came out of a map.
pub(super) fn emit(
    scene: &Scene<'_, '_, '_, '_>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    let Some((body, entry, origin)) = scene.followed() else {
        missing.push("the pointer that was followed".into());
        return Ok(());
    };
    let namer = Namer::new(&body, entry);
    let made = namer.made(&origin.made).map(|named| named.text);
    let name = namer.name(&origin).map(|named| named.text);
    let site = looked_up(&origin).and_then(|back| scene.call(back));
    let from_map = Cell::Bool(site.is_some());
    let mut fields =
        vec![Field::new("expression", "expression", Cell::maybe(name.clone(), Cell::text))];
    if let Some(made) = made.filter(|made| Some(made) != name.as_ref()) {
        fields.push(Field::new("set_from", "set from", Cell::text(made)));
    }
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
    Ok(())
}

/// The lookup in a map that the nil pointer came out of, if it did.
pub(super) fn call(scene: &Scene<'_, '_, '_, '_>) -> Option<FileVa> {
    let (_, _, origin) = scene.followed()?;
    looked_up(&origin).filter(|back| scene.call(*back).is_some())
}

/// The return address of the lookup in a map whose elem the value is.
fn looked_up(origin: &Origin) -> Option<FileVa> {
    let Made::Word { base, index: None, offset: 0 } = &origin.made else { return None };
    match base.made {
        Made::Result { call, number: 0, .. } => Some(call),
        _ => None,
    }
}
