//! Places where values lie, each with a number.

use mapscope_binary::FileVa;
use rustc_hash::FxHashMap;

use super::callee::FuncId;
use super::recent::Recent;
use super::registers::ARGUMENTS;

/// A word of the program where values of one type lie, whichever run of the code it is. Those of
/// the registers at a function's begin and end are known by their numbers alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A word of the executable's data.
    Global(FileVa),
    /// A word of the frames of a function, in bytes from the frame's canonical address: above it are
    /// arguments, below it the rest.
    Slot(i32),
    /// The word at this offset of what the word at the other place points to; through how many
    /// pointers it was come to.
    Field(PlaceId, u32, u8),
    /// What one call has made, before it is stored anywhere.
    Made,
}

/// A number for each place met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PlaceId(u32);

impl PlaceId {
    /// The place with this number.
    pub(super) fn from_index(index: usize) -> PlaceId {
        PlaceId(index as u32)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Pointers are followed through so many fields from a place whose type is not known.
const MAX_DEPTH: u8 = 3;

/// Places that every function has: arguments and results in registers, and its closure.
const EACH: u32 = 2 * ARGUMENTS.len() as u32 + 1;

/// Every place met: first those of registers, by the function's number, then the others.
pub(super) struct Places {
    registers: u32,
    others: Vec<Place>,
    globals: FxHashMap<FileVa, PlaceId>,
    fields: FxHashMap<(PlaceId, u32), PlaceId>,
    recent: Recent<(PlaceId, u32), PlaceId>,
    slots: Slots,
    /// Which of the others were met in each function.
    met: Vec<(u32, u32)>,
}

impl Places {
    /// None yet, of so many functions.
    pub(super) fn of(functions: usize) -> Places {
        Places {
            registers: functions as u32 * EACH,
            others: Vec::new(),
            globals: FxHashMap::default(),
            fields: FxHashMap::default(),
            recent: Recent::default(),
            slots: Slots::default(),
            met: vec![(0, 0); functions],
        }
    }

    /// The code of `func` is gone through from now on.
    pub(super) fn begin(&mut self, func: FuncId) {
        let first = self.others.len() as u32;
        self.met[func.index()] = (first, first);
        self.slots.begin();
    }

    /// It has been gone through.
    pub(super) fn end(&mut self, func: FuncId) {
        self.met[func.index()].1 = self.others.len() as u32;
    }

    /// An argument in the register of this number.
    pub(super) fn argument(&self, of: FuncId, number: usize) -> PlaceId {
        PlaceId(of.0 * EACH + number as u32)
    }

    /// A result in the register of this number.
    pub(super) fn result(&self, of: FuncId, number: usize) -> PlaceId {
        PlaceId(of.0 * EACH + (ARGUMENTS.len() + number) as u32)
    }

    /// The closure that the function is called with.
    pub(super) fn context(&self, of: FuncId) -> PlaceId {
        PlaceId(of.0 * EACH + EACH - 1)
    }

    /// How many registers of functions there are: their places have the first numbers.
    pub(super) fn registers(&self) -> usize {
        self.registers as usize
    }

    fn add(others: &mut Vec<Place>, registers: u32, place: Place) -> PlaceId {
        others.push(place);
        PlaceId(registers + others.len() as u32 - 1)
    }

    /// The word of the executable's data at `va`.
    pub(super) fn global(&mut self, va: FileVa) -> PlaceId {
        let (others, registers) = (&mut self.others, self.registers);
        *self.globals.entry(va).or_insert_with(|| Places::add(others, registers, Place::Global(va)))
    }

    /// The word at `offset` of the frames of the function under way.
    pub(super) fn slot(&mut self, offset: i32) -> PlaceId {
        let (others, registers) = (&mut self.others, self.registers);
        self.slots.get_or(offset, || Places::add(others, registers, Place::Slot(offset)))
    }

    /// What a call has made.
    pub(super) fn made(&mut self) -> PlaceId {
        Places::add(&mut self.others, self.registers, Place::Made)
    }

    /// The word at `offset` of what `of` points to; `None` too far from anything known.
    pub(super) fn field(&mut self, of: PlaceId, offset: u32) -> Option<PlaceId> {
        let depth = match self.get(of) {
            Some(Place::Field(_, _, MAX_DEPTH..)) => return None,
            Some(Place::Field(_, _, depth)) => depth + 1,
            _ => 1,
        };
        let (others, registers) = (&mut self.others, self.registers);
        let add = || Places::add(others, registers, Place::Field(of, offset, depth));
        let find = || *self.fields.entry((of, offset)).or_insert_with(add);
        Some(self.recent.get_or((of, offset), u64::from(of.0) << 32 ^ u64::from(offset), find))
    }

    /// The word before `at`, a place met in the function under way, if it was met.
    pub(super) fn before(&self, at: PlaceId) -> Option<PlaceId> {
        match self.get(at)? {
            Place::Global(va) => self.globals.get(&FileVa(va.0.checked_sub(8)?)).copied(),
            Place::Slot(offset) => self.slots.get(offset.checked_sub(8)?),
            Place::Field(of, offset, _) => self.fields.get(&(of, offset.checked_sub(8)?)).copied(),
            Place::Made => None,
        }
    }

    /// What place it is; `None` of a register.
    fn get(&self, id: PlaceId) -> Option<Place> {
        self.others.get(id.0.checked_sub(self.registers)? as usize).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.registers() + self.others.len()
    }

    /// Words of the executable's data.
    pub(super) fn globals(&self) -> impl Iterator<Item = (FileVa, PlaceId)> {
        self.globals.iter().map(|(va, id)| (*va, *id))
    }

    /// Each word of what a place points to, after that place.
    pub(super) fn fields(&self) -> impl Iterator<Item = (PlaceId, PlaceId)> + Clone {
        self.others.iter().zip(self.registers..).filter_map(|(place, id)| match place {
            Place::Field(of, ..) => Some((*of, PlaceId(id))),
            Place::Global(_) | Place::Slot(_) | Place::Made => None,
        })
    }

    /// Where the word is in what the pointer leads to.
    pub(super) fn field_offset(&self, field: PlaceId) -> Option<u32> {
        Some(self.field_of(field)?.1)
    }

    /// Where the pointer is, and where the word is in what it leads to.
    pub(super) fn field_of(&self, field: PlaceId) -> Option<(PlaceId, u32)> {
        match self.get(field)? {
            Place::Field(of, offset, _) => Some((of, offset)),
            Place::Global(_) | Place::Slot(_) | Place::Made => None,
        }
    }

    /// The words of a function's frames.
    pub(super) fn slots(&self, of: FuncId) -> impl Iterator<Item = (i32, PlaceId)> {
        let (first, end) = self.met[of.index()];
        let met = self.others[first as usize..end as usize].iter().zip(self.registers + first..);
        met.filter_map(|(place, id)| match place {
            Place::Slot(offset) => Some((*offset, PlaceId(id))),
            Place::Global(_) | Place::Field(..) | Place::Made => None,
        })
    }
}

/// Offsets from the frame's canonical address that have a place in a table, both ways.
const NEAR: usize = 1 << 15;

/// The words of the frames of one function.
struct Slots {
    /// In which function each near one was met last, and its place.
    near: Box<[(u32, PlaceId)]>,
    far: FxHashMap<i32, PlaceId>,
    turn: u32,
}

impl Default for Slots {
    fn default() -> Slots {
        let near = vec![(0, PlaceId::default()); 2 * NEAR].into();
        Slots { near, far: FxHashMap::default(), turn: 0 }
    }
}

impl Slots {
    /// Forgets those of the function before.
    fn begin(&mut self) {
        self.turn += 1;
        if !self.far.is_empty() {
            self.far = FxHashMap::default();
        }
    }

    fn near(offset: i32) -> Option<usize> {
        let index = i64::from(offset) + NEAR as i64;
        usize::try_from(index).ok().filter(|index| *index < 2 * NEAR)
    }

    fn get(&self, offset: i32) -> Option<PlaceId> {
        match Slots::near(offset) {
            Some(index) => {
                let (turn, place) = self.near[index];
                (turn == self.turn).then_some(place)
            }
            None => self.far.get(&offset).copied(),
        }
    }

    fn get_or(&mut self, offset: i32, make: impl FnOnce() -> PlaceId) -> PlaceId {
        match Slots::near(offset) {
            Some(index) => {
                let slot = &mut self.near[index];
                if slot.0 != self.turn {
                    *slot = (self.turn, make());
                }
                slot.1
            }
            None => *self.far.entry(offset).or_insert_with(make),
        }
    }
}
