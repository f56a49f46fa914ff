//! What came of it.

use std::collections::BTreeMap;

use mapscope_binary::FileVa;
use rustc_hash::FxHashMap;

use super::callee::{Callees, FuncId};
use super::holds::Holds;
use super::known::Known;
use super::place::{PlaceId, Places};
use super::registers::ARGUMENTS;
use super::solve::MAX_TOLD;
use super::sweep::Sweep;
use crate::Go;
use crate::types::TypeId;

/// What the code says that a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Told {
    /// What it holds.
    pub holds: Holds,
    /// How many instructions say so. Zero where it follows from what flows between places.
    pub times: u32,
    /// Where it holds a map: it may as well be of another type with the same keys and elems, as one
    /// flows to it or from it, and is converted somewhere on the way.
    pub twins: bool,
}

impl Told {
    /// What so many instructions say.
    pub(super) fn new(holds: Holds, times: u32) -> Told {
        Told { holds, times, twins: false }
    }
}

/// What the machine code of an executable says of the types of its variables.
///
/// Where a place is told to hold one thing, the code has never been seen to use it otherwise; that
/// is strong evidence, though not proof: code that is not reached statically may use it otherwise.
/// Where it is told to hold several, the most often told comes first.
#[derive(Default)]
pub struct Facts {
    pub(super) known: Known,
    /// Whose places these are; `None` where no table tells of functions.
    pub(super) code: Option<(Callees, Places)>,
    pub(super) globals: BTreeMap<FileVa, PlaceId>,
    pub(super) closures: FxHashMap<FileVa, TypeId>,
    pub(super) map_uses: FxHashMap<TypeId, u32>,
    pub(super) partial: bool,
}

impl Facts {
    /// Reads the code of the whole executable. Functions of the runtime are left out: they treat
    /// memory as what it is not.
    pub(crate) fn read(go: &Go<'_>) -> Facts {
        let lost = go.lost();
        let Some(mut sweep) = Sweep::new(go) else { return Facts::default() };
        sweep.run();
        let facts = sweep.solve();
        Facts { partial: go.lost() > lost, ..facts }
    }

    /// Whether something of what the code refers to could not be read: a place that is told to hold
    /// one thing may then be told to hold another as well.
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// What is known of one place. Nothing of one that is told to hold too much: of what is left out,
    /// one may be what it holds.
    fn of(&self, place: PlaceId) -> &[Told] {
        let told = self.known.of(place);
        if told.len() > MAX_TOLD { &[] } else { told }
    }

    /// Words of the executable's data, by address.
    pub fn globals(&self) -> impl Iterator<Item = (FileVa, &[Told])> {
        let globals = self.globals.iter().map(|(va, place)| (*va, self.of(*place)));
        globals.filter(|(_, told)| !told.is_empty())
    }

    /// The word of the executable's data at `va`; empty where nothing is told of it.
    pub fn global(&self, va: FileVa) -> &[Told] {
        self.globals.get(&va).map_or(&[], |place| self.of(*place))
    }

    /// Words of the frames of the function that begins at `entry`, by address: bytes from the frame's
    /// canonical address (what its caller's stack pointer was before the call), and what is there.
    pub fn slots(&self, entry: FileVa) -> impl Iterator<Item = (i32, &[Told])> {
        let code = self.code.as_ref();
        let code = code.and_then(|(callees, places)| Some((callees.get(entry)?.0, places)));
        let mut slots: Vec<_> = code.into_iter().flat_map(|(func, all)| all.slots(func)).collect();
        slots.sort_unstable();
        let slots = slots.into_iter().map(|(offset, place)| (offset, self.of(place)));
        slots.filter(|(_, told)| !told.is_empty())
    }

    /// What the function that begins at `entry` is called with, in the register of that number in the
    /// order of arguments.
    pub fn argument(&self, entry: FileVa, number: u8) -> &[Told] {
        self.register(entry, number, Places::argument)
    }

    /// What it returns, in the register of that number in the order of results.
    pub fn result(&self, entry: FileVa, number: u8) -> &[Told] {
        self.register(entry, number, Places::result)
    }

    fn register(
        &self,
        entry: FileVa,
        number: u8,
        which: impl Fn(&Places, FuncId, usize) -> PlaceId,
    ) -> &[Told] {
        let number = usize::from(number);
        let Some((callees, places)) = self.code.as_ref().filter(|_| number < ARGUMENTS.len())
        else {
            return &[];
        };
        let func = callees.get(entry);
        func.map_or(&[], |(func, _)| self.of(which(places, func, number)))
    }

    /// The type of the closures made of the function that begins at `entry`: a struct of the code
    /// pointer and of what was captured.
    pub fn closure(&self, entry: FileVa) -> Option<TypeId> {
        self.closures.get(&entry).copied()
    }

    /// How many calls of the runtime's map operations take a map of type `ty`, as far as the type
    /// is passed outright: code that is shared by several types is passed it in a dictionary.
    pub fn map_uses(&self, ty: TypeId) -> u32 {
        self.map_uses.get(&ty).copied().unwrap_or(0)
    }
}
