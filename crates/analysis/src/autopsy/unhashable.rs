//! A key that has no hash: what in it, and where.

use mapscope_report::{Cell, Field, Sink};
use mapscope_runtime::Go;
use mapscope_runtime::types::{Kind, TypeId};
use mapscope_target::{Addr, MemoryExt};

use super::scene::Site;
use crate::Error;

/// Interfaces in interfaces, and structs in structs, are looked into so deep.
const MAX_DEPTH: u32 = 32;

/// Items of one array that are looked at.
const MAX_ITEMS: u64 = 1 << 12;

/// Says what in the key has no hash.
pub(super) fn emit(
    go: &Go<'_>,
    site: &Site<'_, '_, '_>,
    sink: &mut dyn Sink,
    missing: &mut Vec<String>,
) -> Result<(), Error> {
    let culprit = site.map_type().and_then(|ty| {
        let key = go.types.map(ty)?.key;
        find(go, site.key_at()?, key, "key".into(), MAX_DEPTH)
    });
    let Some((path, ty)) = culprit else {
        missing.push("the key: where in it the value without a hash is".into());
        return Ok(());
    };
    let name = go.types.get(ty).name.clone();
    let fields = [
        Field::new("within", "where", Cell::text(path)).about("of the key"),
        Field::new("dynamic", "type", Cell::text(name)).about("has no hash"),
    ];
    sink.fields("unhashable", "what has no hash", &fields)?;
    Ok(())
}

/// The first part of the value of type `ty` at `at` that has no hash, in the order in which the
/// runtime hashes (`typehash` in runtime/alg.go), and the way to it.
fn find(go: &Go<'_>, at: Addr, ty: TypeId, path: String, depth: u32) -> Option<(String, TypeId)> {
    let depth = depth.checked_sub(1)?;
    match &go.types.get(ty).kind {
        Kind::Slice(_) | Kind::Map(_) | Kind::Func => Some((path, ty)),
        Kind::Struct(fields) => fields.iter().filter(|f| f.name != "_").find_map(|field| {
            let at = at.checked_add(field.offset)?;
            find(go, at, field.ty, format!("{path}.{}", field.name), depth)
        }),
        Kind::Array(of, len) => (0..(*len).min(MAX_ITEMS)).find_map(|i| {
            let at = at.index(i, go.types.get(*of).size)?;
            find(go, at, *of, format!("{path}[{i}]"), depth)
        }),
        kind @ (Kind::EmptyInterface | Kind::Interface) => {
            let bytes = go.memory().bytes(at, 16, 16).ok()?;
            let (ty, data) = go.dynamic(&bytes, matches!(kind, Kind::EmptyInterface)).ok()??;
            let t = go.types.get(ty);
            let at = if t.direct { at.checked_add(8)? } else { data };
            match t.kind {
                Kind::Slice(_) | Kind::Map(_) | Kind::Func => Some((path, ty)),
                _ => find(go, at, ty, format!("{path}.({})", t.name), depth),
            }
        }
        _ => None,
    }
}
