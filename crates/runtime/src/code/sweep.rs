//! One pass over the code of every function.

use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory};
use mapscope_binary::{FileVa, Func};
use mapscope_target::Addr;
use rustc_hash::{FxHashMap, FxHashSet};

use super::body::Body;
use super::callee::{Callee, Callees, is_generic};
use super::place::{Holds, Place, PlaceId, Places};
use super::receiver::receiver;
use super::registers::{ARGUMENTS, CONTEXT, Content, Registers};
use crate::Go;
use crate::types::{Kind, TypeId};

/// The pass under way, and what it has noted.
pub(super) struct Sweep<'g, 'a> {
    pub(super) go: &'g Go<'a>,
    pub(super) callees: Callees,
    pub(super) places: Places,
    /// What the code says of places, and how often.
    pub(super) told: FxHashMap<(PlaceId, Holds), u32>,
    /// Values go from one place to the other.
    pub(super) flows: FxHashSet<(PlaceId, PlaceId)>,
    /// The second place holds the address of the first.
    pub(super) points: FxHashSet<(PlaceId, PlaceId)>,
    /// Arguments and results that are read: others are what registers happened to hold.
    pub(super) read: FxHashSet<PlaceId>,
    pub(super) closures: FxHashMap<FileVa, TypeId>,
    /// Calls of map operations that take a map of this type.
    pub(super) map_uses: FxHashMap<TypeId, u32>,
    types: FxHashMap<FileVa, Option<TypeId>>,
    /// Places where the type word of an interface was stored.
    pub(super) type_words: FxHashMap<PlaceId, TypeId>,
}

/// Longer functions are looked through only so far, in bytes.
const MAX_CODE: u64 = 1 << 20;

impl<'g, 'a> Sweep<'g, 'a> {
    /// A pass over the code of `go`'s executable; `None` where no table tells its functions.
    pub(super) fn new(go: &'g Go<'a>) -> Option<Sweep<'g, 'a>> {
        let table = go.pclntab()?;
        Some(Sweep {
            go,
            callees: Callees::of(table),
            places: Places::default(),
            told: FxHashMap::default(),
            flows: FxHashSet::default(),
            points: FxHashSet::default(),
            read: FxHashSet::default(),
            closures: FxHashMap::default(),
            map_uses: FxHashMap::default(),
            types: FxHashMap::default(),
            type_words: FxHashMap::default(),
        })
    }

    pub(super) fn run(&mut self) {
        let go = self.go;
        let Some(table) = go.pclntab() else { return };
        let mut instructions = Vec::new();
        go.progress.begin("reading the code", table.len() as u64);
        for func in table.funcs() {
            go.progress.step(1);
            if go.progress.cancelled() {
                return;
            }
            if self.callees.get(func.entry()) == Callee::Plain || is_generic(func.name()) {
                self.function(&func, &mut instructions);
            }
        }
    }

    pub(super) fn function(&mut self, func: &Func<'_, '_>, instructions: &mut Vec<Instruction>) {
        let entry = func.entry();
        let len = func.end().0.saturating_sub(entry.0).min(MAX_CODE);
        let Some(code) = self.go.image.elf.bytes_at(entry, len) else { return };
        instructions.clear();
        instructions.extend(Decoder::with_ip(64, code, entry.0, DecoderOptions::NONE).iter());
        let loops = instructions
            .iter()
            .filter(|i| i.is_jcc_short_or_near() || i.is_jmp_short_or_near())
            .filter(|i| i.near_branch_target() <= i.ip() && i.near_branch_target() != entry.0)
            .map(Instruction::near_branch_target)
            .collect();
        if let Some(holds) = receiver(&self.go.types, func.name()) {
            let first = self.places.id(Place::Argument(entry, 0));
            self.tell(first, holds);
        }
        let registers = self.at_entry(entry);
        let mut body = Body {
            sweep: self,
            entry,
            registers,
            saved: FxHashMap::default(),
            loops,
            falls: true,
            depth: 0,
            info: InstructionInfoFactory::new(),
        };
        body.run(func, instructions);
    }

    pub(super) fn at_entry(&mut self, entry: FileVa) -> Registers {
        let mut registers = Registers::default();
        for (i, register) in ARGUMENTS.into_iter().enumerate() {
            let place = self.places.id(Place::Argument(entry, i as u8));
            registers.set(register, Content::Of(place));
        }
        let context = self.places.id(Place::Context(entry));
        registers.set(CONTEXT, Content::Of(context));
        registers
    }

    pub(super) fn tell(&mut self, place: PlaceId, holds: Holds) {
        *self.told.entry((place, holds)).or_default() += 1;
    }

    /// The type whose descriptor lies at `va`, or that the `itab` there is of.
    pub(super) fn type_at(&mut self, va: FileVa) -> Option<TypeId> {
        let go = self.go;
        *self.types.entry(va).or_insert_with(|| {
            let at = go.addr_of(va);
            let listed = |at: &Addr| go.modules.iter().any(|m| m.types.contains(at));
            let at = if listed(&at) { at } else { go.itab_type(at).filter(listed)? };
            let id = go.types.of_descriptor(at);
            let ty = go.types.get(id);
            // Generic code is compiled for a shape, and no value is of such a type. Until 1.19 it has
            // descriptors of them.
            let real = !matches!(ty.kind, Kind::Unknown(_)) && !ty.name.contains("go.shape.");
            real.then_some(id)
        })
    }
}
