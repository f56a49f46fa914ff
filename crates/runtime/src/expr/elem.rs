//! Elems of maps, by their keys.

use std::ops::ControlFlow;

use mapscope_target::Addr;

use super::NameError;
use super::eval::Cursor;
use crate::hash::{Hasher, Sought};
use crate::literal::Literal;
use crate::maps::{Damage, Entry, SyncMap, entries};
use crate::types::{MapType, Special};
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
        let header = self.pointer(go, self.addr)?;
        let path = format!("{}[{key}]", self.path);
        let found = match self.looked_up(go, map, header, key) {
            Some(found) => Some(found),
            None => self.searched(go, map, header, key)?,
        };
        match found {
            Some(addr) => Ok(Cursor { addr, ty: map.elem, path }),
            None => Err(NameError::NoKey { what: self.path, key: key.to_owned() }),
        }
    }

    /// The elem by the hash of the key.
    fn looked_up(&self, go: &Go<'_>, map: &MapType, header: Addr, key: &str) -> Option<Addr> {
        let literal = Literal::parse(go, map.key, key).ok()?;
        let hasher = Hasher::of(go, self.ty).ok()?;
        let at = go.map_at(header, Some(self.ty));
        let lookup = go.shape.lookup(go.reader(), &at, &Sought::new(&hasher, &literal)).ok()?;
        lookup.found.map(|Entry { elem, .. }| elem)
    }

    /// The elem under the key that prints as `key`: the map is searched from end to end.
    fn searched(
        &self,
        go: &Go<'_>,
        map: &MapType,
        header: Addr,
        key: &str,
    ) -> Result<Option<Addr>, NameError> {
        let at = go.map_at(header, Some(self.ty));
        let slots = map.slots.ok_or_else(|| self.wrong(go, "its type has no descriptor"))?;
        let decoder = Decoder::new(go, LIMITS);
        let mut found = None;
        let walked = go.shape.blocks(go.reader(), &at, &mut |block| {
            for entry in entries(&block, &slots, go.memory()).flatten() {
                if decoder.at(entry.key, map.key).to_string() == key {
                    found = Some(entry.elem);
                    return ControlFlow::Break(());
                }
            }
            go.flow()
        });
        match walked {
            Err(Damage::Fault(fault)) if found.is_none() => Err(self.unreadable(fault)),
            _ => Ok(found),
        }
    }

    /// The value of a `sync.Map` under `key`: what prints as it, or a string in quotes.
    pub(super) fn loaded(self, go: &Go<'_>, key: &str) -> Result<Cursor, NameError> {
        let any = go.types.any().ok_or_else(|| self.wrong(go, "the binary describes no any"))?;
        let map = SyncMap::of(go, self.addr, self.ty)
            .ok_or_else(|| self.wrong(go, "a sync.Map of no known form"))?;
        let decoder = Decoder::new(go, LIMITS);
        let typed = format!("string({key})");
        let mut found = None;
        let walked = map.entries(go, &mut |entry| {
            let printed = decoder.at(entry.key, any).to_string();
            if printed == key || printed == typed || printed == format!("int({key})") {
                found = Some(entry.value);
                return ControlFlow::Break(());
            }
            go.flow()
        });
        let path = format!("{}[{key}]", self.path);
        match (found, walked) {
            (Some(addr), _) => Ok(Cursor { addr, ty: any, path }),
            (None, Err(fault)) => Err(self.unreadable(fault)),
            (None, Ok(_)) => Err(NameError::NoKey { what: self.path, key: key.to_owned() }),
        }
    }
}
