//! Every stored key looked up by its hash, written as `entries` shows it.

use std::ops::ControlFlow;

use mapscope_runtime::hash::{Hasher, Sought};
use mapscope_runtime::literal::Literal;
use mapscope_runtime::maps::{Entry, MapAt, SyncEntry, SyncMap, entries};
use mapscope_runtime::types::{Kind, MapType, TypeId};
use mapscope_runtime::{Decoder, Go, Limits};
use mapscope_target::{Addr, MemoryExt};

/// Entries of one map that are looked up.
const MOST: usize = 300;

/// Enough for every key of the zoo to be written out.
const LIMITS: Limits = Limits { depth: 9, items: 1 << 10, string: 1 << 16 };

/// What is wrong with lookups of the keys of one map.
pub(crate) fn check(go: &Go<'_>, at: &MapAt, ty: TypeId, map: &MapType) -> Vec<String> {
    let hasher = match Hasher::of(go, ty) {
        Ok(hasher) => hasher,
        Err(why) => return vec![why.to_string()],
    };
    let Some(slots) = at.slots else { return Vec::new() };
    let (mut stored, decoder) = (Vec::new(), Decoder::new(go, LIMITS));
    let walked = go.shape.blocks(go.reader(), at, &mut |block| {
        stored.extend(entries(&block, &slots, go.memory()).flatten());
        if stored.len() < MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let mut wrong: Vec<String> = walked.err().map(|e| e.to_string()).into_iter().collect();
    for entry in stored {
        if let Some(text) = spelling(go, &decoder, entry.key, map.key)
            && let Err(why) = one(go, &hasher, at, map, &text, entry)
        {
            wrong.push(format!("{text}: {why}"));
        }
    }
    wrong
}

/// A key as somebody would write it; pointers by their address. Keys in which pointers are buried
/// are not written, nor those that are not equal to themselves.
fn spelling(go: &Go<'_>, decoder: &Decoder<'_, '_>, at: Addr, ty: TypeId) -> Option<String> {
    if let Kind::Pointer(_) | Kind::Chan(_) | Kind::UnsafePointer = go.types.get(ty).kind {
        return Some(go.memory().addr(at).ok()?.to_string());
    }
    let text = decoder.at(at, ty).to_string();
    (!text.contains('&') && !text.contains("0x") && !text.contains("NaN")).then_some(text)
}

fn one(
    go: &Go<'_>,
    hasher: &Hasher<'_, '_>,
    at: &MapAt,
    map: &MapType,
    text: &str,
    entry: Entry,
) -> Result<(), String> {
    let literal = Literal::parse(go, map.key, text).map_err(|e| e.to_string())?;
    let wanted = Sought::new(hasher, &literal);
    let lookup = go.shape.lookup(go.reader(), at, &wanted).map_err(|e| e.to_string())?;
    match lookup.found {
        Some(found) if found == entry => Ok(()),
        other => Err(format!("{other:?}, not {entry:?}: {lookup:?}")),
    }
}

/// What is wrong with the size of a `sync.Map` that has `len` entries, with its fields, or with
/// lookups of its keys and of one that it has not.
pub(crate) fn check_sync(go: &Go<'_>, map: &SyncMap, len: u64) -> Vec<String> {
    let (mut wrong, mut stored) = (Vec::new(), Vec::new());
    match map.anatomy(go) {
        Ok(anatomy) => {
            let entries: u64 = anatomy.levels.iter().map(|level| level.entries).sum();
            if anatomy.survey.len != len || anatomy.is_trie && entries != len {
                wrong.push(format!("not {len} entries: {anatomy:?}"));
            }
        }
        Err(why) => wrong.push(why.to_string()),
    }
    wrong.extend(map.explain(go).err().map(|why| why.to_string()));
    let walked = map.entries(go, &mut |entry| {
        stored.push(entry);
        if stored.len() < MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    wrong.extend(walked.err().map(|why| why.to_string()));
    let Some(any) = go.types.any() else { return vec!["no interface {}".into()] };
    let hasher = match map.hasher(go) {
        Ok(Some(hasher)) => hasher,
        Ok(None) if len == 0 => return wrong,
        Ok(None) => return vec!["no hash function".into()],
        Err(why) => return vec![why.to_string()],
    };
    let decoder = Decoder::new(go, LIMITS);
    for entry in stored {
        if let Some(text) = spelling(go, &decoder, entry.key, any)
            && let Err(why) = one_sync(go, &hasher, map, any, &text, Some(entry))
        {
            wrong.push(format!("{text}: {why}"));
        }
    }
    wrong.extend(one_sync(go, &hasher, map, any, "\"not there\"", None).err());
    wrong
}

fn one_sync(
    go: &Go<'_>,
    hasher: &Hasher<'_, '_>,
    map: &SyncMap,
    any: TypeId,
    text: &str,
    entry: Option<SyncEntry>,
) -> Result<(), String> {
    let literal = Literal::parse(go, any, text).map_err(|e| e.to_string())?;
    let lookup = map.lookup(go, &Sought::new(hasher, &literal)).map_err(|e| e.to_string())?;
    // An entry that read and dirty share has a key in each.
    match lookup.found.map(|found| found.value) == entry.map(|entry| entry.value) {
        true => Ok(()),
        false => Err(format!("not {entry:?}: {lookup:?}")),
    }
}
