//! What a call tells of its arguments and results.

use std::ops::Range;

use mapscope_binary::{FileVa, Pclntab};

use super::effect::Number;

/// A function, by what a call of it tells. Registers are numbered in the order of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    /// A map operation: the map's type in 0, the map in 1; the result points to an elem.
    MapOperation,
    /// As before; the result tells nothing.
    MapStatement,
    /// Makes a map of the type in 0; the header, if it is given, in 2.
    MakeMap,
    /// Makes a small map, and is not told its type.
    MakeSmallMap,
    /// Makes a value of the type in this register, and returns a pointer to it.
    New(u8),
    /// Makes an array of the element type in 0.
    MakeSlice,
    /// Appends: the old array in 0, the element type in 4.
    GrowSlice,
    /// Makes a channel of the type in 0.
    MakeChan,
    /// Copies a value of the type in 0 to where 1 points, from where 2 points.
    Move,
    /// Keeps every register.
    Barrier,
    /// Of the runtime, or not Go: nothing is known of what it takes.
    Opaque,
    /// One body for several types of the same shape: what flows through it is not one type.
    Generic,
    /// As before, a method of a pointer: that in 0; in 1 the dictionary of what the type is made for,
    /// where the code names it (cmd/compile/internal/noder/reader.go, Go 1.19 to 1.27).
    GenericMethod,
    /// A function of the program, whose arguments and results flow.
    Plain,
}

/// More functions than this no executable has: what more there seem to be is damage.
const MAX_FUNCS: usize = 1 << 21;

/// A number for each function, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FuncId(pub(super) u32);

impl FuncId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every function of the executable by its entry.
pub(super) struct Callees {
    text: FileVa,
    /// How far from the begin of the code each begins, rising.
    entries: Vec<u32>,
    callees: Vec<Callee>,
    /// Which is the first that begins in each part of the code or behind it.
    first: Vec<u32>,
    /// The parts are so many bits long.
    part: u32,
    /// The code of functions that are called anywhere within, and write no general registers but those of
    /// their arguments.
    duff: Vec<Range<FileVa>>,
}

impl Callees {
    pub(super) fn of(table: &Pclntab<'_>) -> Callees {
        let (mut entries, mut callees, mut duff) = (Vec::new(), Vec::new(), Vec::new());
        for func in table.funcs().take(MAX_FUNCS) {
            let entry = func.entry().offset_from(table.text()).and_then(|at| at.try_into().ok());
            let Some(entry) = entry.filter(|entry| entries.last().is_none_or(|last| last < entry))
            else {
                continue;
            };
            if DUFF.contains(&func.name()) {
                duff.push(func.entry()..func.end());
            }
            entries.push(entry);
            callees.push(match func.is_assembly() && !func.name().contains(BARRIER) {
                true => Callee::Opaque,
                false => classify(func.name()),
            });
        }
        let (first, part) = parts(&entries);
        Callees { text: table.text(), entries, callees, first, part, duff }
    }

    /// How many there are: the numbers are below.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The function that begins at `entry`.
    pub(super) fn get(&self, entry: FileVa) -> Option<(FuncId, Callee)> {
        let offset = u32::try_from(entry.offset_from(self.text)?).ok()?;
        let part = (offset >> self.part) as usize;
        let (first, end) = (*self.first.get(part)? as usize, *self.first.get(part + 1)? as usize);
        let index = first + self.entries[first..end].binary_search(&offset).ok()?;
        Some((FuncId(index as u32), self.callees[index]))
    }

    /// Whether a call of `va` zeroes or copies memory, and keeps all registers but [`DUFF_WRITES`].
    pub(super) fn is_duff(&self, va: FileVa) -> bool {
        self.duff.iter().any(|code| code.contains(&va))
    }

    /// The function that begins at `entry`, if it is the program's own.
    pub(super) fn plain(&self, entry: FileVa) -> Option<FuncId> {
        self.get(entry).and_then(|(func, callee)| (callee == Callee::Plain).then_some(func))
    }
}

/// Cuts the code into parts in each of which about one of `entries` is, and says which is the first in
/// each part or behind it; the last number is that of all. And of how many bits the parts are.
fn parts(entries: &[u32]) -> (Vec<u32>, u32) {
    let last = entries.last().copied().unwrap_or(0);
    let each = last / (entries.len().max(1) as u32);
    let part = 32 - each.leading_zeros();
    let mut first = Vec::new();
    for (number, entry) in (0u32..).zip(entries) {
        first.resize(first.len().max((entry >> part.min(31)) as usize + 1), number);
    }
    first.push(entries.len() as u32);
    (first, part.min(31))
}

/// Zeroes memory, and copies it: called at the instruction from which on as much is left as is needed
/// (runtime/duff_amd64.s).
const DUFF: [&str; 2] = ["runtime.duffzero", "runtime.duffcopy"];

/// The general registers that these write: RDI and RSI.
pub(super) const DUFF_WRITES: [Number; 2] = [7, 6];

const BARRIER: &str = "gcWriteBarrier";

/// Whether the function of this name is generic: its table names the types it is compiled for only
/// since 1.27, before it has `[...]` (cmd/link/internal/ld/pcln.go).
fn is_generic(name: &str) -> bool {
    name.contains('[')
}

/// Whether the generic function of this name is a method of a pointer: `(*list[...]).push`, but no
/// closure in one, `(*list[...]).push.func1`.
fn is_method(name: &str) -> bool {
    let receiver = name.split_once('[').is_some_and(|(before, _)| before.contains(".(*"));
    receiver && name.rsplit_once("]).").is_some_and(|(_, method)| !method.contains(['.', '-']))
}

/// Names are those of `cmd/compile/internal/typecheck/_builtin/runtime.go`, Go 1.19 to 1.27.
fn classify(name: &str) -> Callee {
    if is_generic(name) {
        return if is_method(name) { Callee::GenericMethod } else { Callee::Generic };
    }
    let Some(name) = name.strip_prefix("runtime.") else {
        return match name.starts_with("internal/runtime/") {
            true => Callee::Opaque,
            false => Callee::Plain,
        };
    };
    match name {
        "mapassign" | "mapaccess1" | "mapaccess2" => Callee::MapOperation,
        "mapdelete" | "mapclear" | "mapiterinit" | "mapIterStart" => Callee::MapStatement,
        "makemap" | "makemap64" => Callee::MakeMap,
        "makemap_small" => Callee::MakeSmallMap,
        "newobject" => Callee::New(0),
        "makeslice" | "makeslice64" => Callee::MakeSlice,
        "growslice" => Callee::GrowSlice,
        "makechan" | "makechan64" => Callee::MakeChan,
        "typedmemmove" | "wbMove" => Callee::Move,
        _ if name.starts_with(BARRIER) => Callee::Barrier,
        _ if name.starts_with("mapassign_fast") => Callee::MapOperation,
        _ if name.starts_with("mapaccess") => Callee::MapOperation,
        _ if name.starts_with("mapdelete_fast") => Callee::MapStatement,
        // Since 1.27 the compiler calls the allocator of a size class itself: size, type, zero.
        _ if name.starts_with("mallocgcSmall") || name.starts_with("mallocgcTiny") => {
            Callee::New(1)
        }
        _ => Callee::Opaque,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_flows_through_a_function_of_several_types() {
        let generic = ["main.use[...]", "main.use[go.shape.string,go.shape.int]"];
        let closure = "main.(*list[go.shape.int]).push.func1";
        for name in generic.into_iter().chain([closure, "main.list[...].len"]) {
            assert_eq!(classify(name), Callee::Generic, "{name}");
        }
        for name in ["main.(*list[...]).push", "main.(*list[go.shape.int]).push"] {
            assert_eq!(classify(name), Callee::GenericMethod, "{name}");
        }
        assert_eq!(classify("main.use"), Callee::Plain);
        assert_eq!(classify("runtime.mapassign_faststr"), Callee::MapOperation);
    }

    #[test]
    fn every_entry_is_in_its_part() {
        let sets: [&[u32]; 6] =
            [&[], &[0], &[7], &[0, 32, 64, 70, 4096, 4128], &[5, u32::MAX], &[0, 1, 2, 1 << 31]];
        for entries in sets {
            let (first, part) = parts(entries);
            for (number, entry) in entries.iter().enumerate() {
                let at = (entry >> part) as usize;
                let (first, end) = (first[at] as usize, first[at + 1] as usize);
                assert!((first..end).contains(&number), "{entries:?}: {entry}");
            }
            assert!(first.len() <= 2 * entries.len() + 2, "{entries:?}: {}", first.len());
        }
    }
}
