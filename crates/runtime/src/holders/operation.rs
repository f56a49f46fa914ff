//! Which functions of the runtime do something to a map, and where they take the map.

use std::fmt;

/// What is done to a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A key is looked up.
    Read,
    /// An entry is made or assigned to.
    Write,
    /// An entry is deleted.
    Delete,
    /// A `range`, or an iterator of reflect, takes its next entry.
    Iterate,
    /// All entries are deleted.
    Clear,
    /// It is copied.
    Clone,
    /// Its storage grows: a part of a write or a delete.
    Grow,
}

impl Op {
    /// In one word, as a verb: `write`.
    pub fn word(self) -> &'static str {
        match self {
            Op::Read => "read",
            Op::Write => "write",
            Op::Delete => "delete",
            Op::Iterate => "iterate",
            Op::Clear => "clear",
            Op::Clone => "clone",
            Op::Grow => "grow",
        }
    }

    /// Whether it is done to one key: the argument after the map.
    pub fn has_key(self) -> bool {
        matches!(self, Op::Read | Op::Write | Op::Delete)
    }

    /// Whether the runtime sets the map's write mark for it.
    pub fn writes(self) -> bool {
        matches!(self, Op::Write | Op::Delete | Op::Clear | Op::Grow)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// In which argument register a function takes the map: their numbers are DWARF's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// The map's header.
    Map(u8),
    /// An iterator, which has the map.
    Iterator(u8),
    /// Neither.
    Nothing,
}

impl Takes {
    /// The number of that argument: the first is 0.
    pub fn argument(self) -> Option<u8> {
        let (Takes::Map(register) | Takes::Iterator(register)) = self else { return None };
        [FIRST, SECOND, THIRD].iter().position(|own| *own == register).map(|number| number as u8)
    }

    /// The number of the argument that is the iterator, of a function that does `op`: those that begin an
    /// iteration take the map, and put it into the iterator before they look at its write mark.
    pub fn iterator(self, op: Op) -> Option<u8> {
        match (op, self) {
            (_, Takes::Iterator(_)) => self.argument(),
            // `mapiterinit(t *maptype, h *hmap, it *hiter)`, `mapIterStart(t *abi.MapType, m *maps.Map,
            // it *maps.Iter)`.
            (Op::Iterate, Takes::Map(SECOND)) => Some(2),
            _ => None,
        }
    }
}

/// RAX, RBX and RCX, the first three arguments (ABIInternal, cmd/compile/abi-internal.md).
const FIRST: u8 = 0;
const SECOND: u8 = 3;
const THIRD: u8 = 2;

/// What the function with this name does to a map, if that is what it is for. Names are those of
/// runtime/map*.go (Go 1.19 to 1.23, and with noswissmap) and internal/runtime/maps (since 1.24),
/// which keeps the old names for what the compiler calls.
pub fn operation(function: &str) -> Option<(Op, Takes)> {
    if let Some(method) = function.strip_prefix("internal/runtime/maps.(*") {
        return of_method(method);
    }
    if function == "maps.clone" {
        // An `any`, whose data word is the map.
        return Some((Op::Clone, Takes::Map(SECOND)));
    }
    let prefixes = ["runtime.", "internal/runtime/maps.runtime_", "reflect."];
    let name = prefixes.iter().find_map(|prefix| function.strip_prefix(prefix))?;
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let takes = Takes::Map(SECOND);
    Some(match () {
        () if starts(&["mapassign"]) => (Op::Write, takes),
        () if starts(&["mapaccess"]) => (Op::Read, takes),
        () if starts(&["mapdelete"]) => (Op::Delete, takes),
        () if starts(&["mapiternext", "mapIterNext"]) => (Op::Iterate, Takes::Iterator(FIRST)),
        () if starts(&["mapiterinit", "mapIterStart"]) => (Op::Iterate, takes),
        () if starts(&["mapclear"]) => (Op::Clear, takes),
        () if starts(&["mapclone"]) => (Op::Clone, takes),
        () if starts(&["hashGrow", "growWork", "evacuate"]) => (Op::Grow, takes),
        () => return None,
    })
}

/// Of `Map).Delete`, `table).grow`, `Iter).Next`.
fn of_method(method: &str) -> Option<(Op, Takes)> {
    let (receiver, name) = method.split_once(").")?;
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let op = match () {
        () if receiver == "Iter" => Op::Iterate,
        () if starts(&["grow", "rehash", "split", "prune", "install"]) => Op::Grow,
        () if starts(&["get", "Get", "Used"]) => Op::Read,
        () if starts(&["put", "Put", "unchecked"]) => Op::Write,
        () if starts(&["delete", "Delete"]) => Op::Delete,
        () if starts(&["clear", "Clear", "reset"]) => Op::Clear,
        () if starts(&["clone", "Clone"]) => Op::Clone,
        () => return None,
    };
    // `(t *table) grow(typ *abi.MapType, m *Map, …)` and its like.
    let of_table = ["grow", "rehash", "split", "prune", "Delete", "PutSlot"];
    let takes = match receiver {
        "Map" => Takes::Map(FIRST),
        "Iter" if name == "Init" => Takes::Map(THIRD),
        "Iter" => Takes::Iterator(FIRST),
        "table" if starts(&of_table) => Takes::Map(THIRD),
        _ => Takes::Nothing,
    };
    Some((op, takes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_known_by_their_names() {
        for (name, op, takes) in [
            ("runtime.mapassign_fast64ptr", Op::Write, Takes::Map(3)),
            ("runtime.mapaccess2", Op::Read, Takes::Map(3)),
            ("reflect.mapassign0", Op::Write, Takes::Map(3)),
            ("runtime.mapiternext", Op::Iterate, Takes::Iterator(0)),
            ("runtime.evacuate_faststr", Op::Grow, Takes::Map(3)),
            ("internal/runtime/maps.(*Map).Delete", Op::Delete, Takes::Map(0)),
            ("internal/runtime/maps.(*Iter).Next", Op::Iterate, Takes::Iterator(0)),
            ("internal/runtime/maps.(*table).split", Op::Grow, Takes::Map(2)),
            ("internal/runtime/maps.(*table).getWithKey", Op::Read, Takes::Nothing),
            ("internal/runtime/maps.runtime_mapaccess1", Op::Read, Takes::Map(3)),
        ] {
            assert_eq!(operation(name), Some((op, takes)), "{name}");
        }
        for name in ["runtime.makemap", "main.mapassign", "runtime.mallocgc", "maps.Keys[...]"] {
            assert_eq!(operation(name), None, "{name}");
        }
    }
}
