//! What a call tells of its arguments and results.

use mapscope_binary::{FileVa, Pclntab};
use rustc_hash::FxHashMap;

/// A function, by what a call of it tells. Registers are numbered in the order of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    /// A map operation: the map's type in 0, the map in 1; the result points to an elem.
    MapOperation,
    /// As before; the result tells nothing.
    MapStatement,
    /// Makes a map of the type in 0; the header, if it is given, in 2.
    MakeMap,
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
pub(super) struct Callees(FxHashMap<FileVa, (FuncId, Callee)>);

impl Callees {
    pub(super) fn of(table: &Pclntab<'_>) -> Callees {
        let named = table.funcs().take(MAX_FUNCS).zip(0..).map(|(f, number)| {
            let opaque = f.is_assembly() && !f.name().contains(BARRIER);
            let callee = if opaque { Callee::Opaque } else { classify(f.name()) };
            (f.entry(), (FuncId(number), callee))
        });
        Callees(named.collect())
    }

    /// More than any function's number.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(|(func, _)| func.index() + 1).max().unwrap_or(0)
    }

    /// The function that begins at `entry`.
    pub(super) fn get(&self, entry: FileVa) -> Option<(FuncId, Callee)> {
        self.0.get(&entry).copied()
    }

    /// The function that begins at `entry`, if it is the program's own.
    pub(super) fn plain(&self, entry: FileVa) -> Option<FuncId> {
        self.get(entry).and_then(|(func, callee)| (callee == Callee::Plain).then_some(func))
    }
}

const BARRIER: &str = "gcWriteBarrier";

/// Whether the function of this name is generic: its table names the types it is compiled for only
/// since 1.27, before it has `[...]` (cmd/link/internal/ld/pcln.go).
pub(super) fn is_generic(name: &str) -> bool {
    name.contains('[')
}

/// Names are those of `cmd/compile/internal/typecheck/_builtin/runtime.go`, Go 1.19 to 1.27.
fn classify(name: &str) -> Callee {
    let Some(name) = name.strip_prefix("runtime.") else {
        return match name.starts_with("internal/runtime/") || is_generic(name) {
            // One body for several types of the same shape: what flows through it is not one type.
            true => Callee::Opaque,
            false => Callee::Plain,
        };
    };
    match name {
        "mapassign" | "mapaccess1" | "mapaccess2" => Callee::MapOperation,
        "mapdelete" | "mapclear" | "mapiterinit" | "mapIterStart" => Callee::MapStatement,
        "makemap" | "makemap64" => Callee::MakeMap,
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
        for name in generic.into_iter().chain(["main.(*list[go.shape.int]).push"]) {
            assert_eq!(classify(name), Callee::Opaque, "{name}");
        }
        assert_eq!(classify("main.use"), Callee::Plain);
        assert_eq!(classify("runtime.mapassign_faststr"), Callee::MapOperation);
    }
}
