//! Elems of maps, by their keys.

use std::ops::ControlFlow;

use mapscope_target::Addr;

use super::NameError;
use super::cursor::Cursor;
use crate::find::key_text;
use crate::hash::{Hasher, Sought};
use crate::literal::Literal;
use crate::maps::{Damage, Entry, SyncMap, entries};
use crate::types::{Kind, MapType, Special};
use crate::{Decoder, Go, Limits};

/// How much of a key is decoded to compare it with what was written.
const LIMITS: Limits = Limits { depth: 4, items: 64, string: 1 << 20 };

impl Cursor {
    /// Whether a `sync.Map` stands here.
    pub(super) fn is_sync_map(&self, go: &Go<'_>) -> bool {
        go.types.special(self.ty).as_deref() == Some(&Special::SyncMap)
    }

    /// The elem of a map under `key`, a Go literal or what prints as the key.
    pub(super) fn elem(self, go: &Go<'_>, map: &MapType, key: &str) -> Result<Cursor, NameError> {
        let entry = self.entry(go, map, key)?;
        let path = format!("{}[{key}]", self.path);
        Ok(Cursor { path, ..self.to(entry.elem, map.elem) })
    }

    /// The key itself that is `key`, for what it leads to.
    pub(super) fn key(self, go: &Go<'_>, key: &str) -> Result<Cursor, NameError> {
        let Kind::Map(map) = self.kind(go) else {
            return Err(self.wrong(go, "only a map has keys"));
        };
        let entry = self.entry(go, &map, key)?;
        let path = format!("{}.key({key})", self.path);
        Ok(Cursor { path, ..self.to(entry.key, map.key) })
    }

    fn entry(&self, go: &Go<'_>, map: &MapType, key: &str) -> Result<Entry, NameError> {
        let header = self.pointer(go, 0)?;
        match self.looked_up(go, map, header, key) {
            Some(found) => Ok(found),
            None => self.searched(go, map, header, key),
        }
    }

    /// The entry by the hash of the key.
    fn looked_up(&self, go: &Go<'_>, map: &MapType, header: Addr, key: &str) -> Option<Entry> {
        let literal = Literal::parse(go, map.key, key).ok()?;
        let hasher = Hasher::of(go, self.ty).ok()?;
        let at = go.map_at(header, Some(self.ty));
        let lookup = go.shape.lookup(go.reader(), &at, &Sought::new(&hasher, &literal)).ok()?;
        lookup.found
    }

    /// The entry whose key prints as `key`: the map is searched from end to end. In paths long keys
    /// are cut; such a text is taken where it is that of one key only.
    fn searched(
        &self,
        go: &Go<'_>,
        map: &MapType,
        header: Addr,
        key: &str,
    ) -> Result<Entry, NameError> {
        let at = go.map_at(header, Some(self.ty));
        let slots = map.slots.ok_or_else(|| self.wrong(go, "its type has no descriptor"))?;
        let decoder = Decoder::new(go, LIMITS);
        let (mut found, mut short) = (None, Vec::new());
        let walked = go.shape.blocks(go.reader(), &at, &mut |block| {
            for entry in entries(&block, &slots, go.memory()).flatten() {
                if decoder.at(entry.key, map.key).to_string() == key {
                    found = Some(entry);
                    return ControlFlow::Break(());
                }
                if short.len() < 2 && key_text(go, entry.key, map.key) == key {
                    short.push(entry);
                }
            }
            go.flow()
        });
        match (found, short.as_slice(), walked) {
            (Some(entry), ..) | (None, &[entry], _) => Ok(entry),
            (None, [_, ..], _) => Err(self.wrong(go, "several of its keys are written so")),
            (None, [], Err(Damage::Fault(fault))) => Err(self.unreadable(fault)),
            (None, [], _) => Err(NameError::NoKey { what: self.path.clone(), key: key.to_owned() }),
        }
    }

    /// The value of a `sync.Map` under `key`: what prints as it, or a string in quotes.
    pub(super) fn loaded(self, go: &Go<'_>, key: &str) -> Result<Cursor, NameError> {
        let any = go.types.any().ok_or_else(|| self.wrong(go, "the binary describes no any"))?;
        let map = SyncMap::of(go, self.in_memory(go)?, self.ty)
            .ok_or_else(|| self.wrong(go, "a sync.Map of no known form"))?;
        let decoder = Decoder::new(go, LIMITS);
        let typed = format!("string({key})");
        let mut found = None;
        let walked = map.entries(go, &mut |entry| {
            let printed = decoder.at(entry.key, any).to_string();
            if printed == key
                || printed == typed
                || printed == format!("int({key})")
                || key_text(go, entry.key, any) == key
            {
                found = Some(entry.value);
                return ControlFlow::Break(());
            }
            go.flow()
        });
        let path = format!("{}[{key}]", self.path);
        match (found, walked) {
            (Some(addr), _) => Ok(Cursor { path, ..self.to(addr, any) }),
            (None, Err(fault)) => Err(self.unreadable(fault)),
            (None, Ok(_)) => Err(NameError::NoKey { what: self.path, key: key.to_owned() }),
        }
    }
}
