//! What the data word of an interface is, by what the code has compared its type word with.

use iced_x86::{Instruction, Mnemonic, OpKind};
use mapscope_binary::FileVa;
use rustc_hash::FxHashSet;

use super::effect::gpr;
use super::naming::{By, Named, Namer, What};
use super::{Body, Made, Origin, Spot};
use crate::types::{Kind, TypeId};

/// Instructions looked at on the ways back.
const MAX_STEPS: usize = 4096;

/// Comparisons of which both sides are followed.
const MAX_COMPARES: usize = 32;

/// Instructions between a comparison and the jump that depends on it.
const MAX_BETWEEN: usize = 4;

/// What the code has found a word to be.
pub(super) enum Asserted {
    /// It was not compared with a type.
    Never,
    /// It is this type's descriptor, or `itab`, whichever way the code took.
    Is(TypeId),
    /// It was compared, and is not the same on all ways.
    Open,
}

impl Body<'_, '_> {
    /// Which type the word that was made like that is the descriptor or `itab` of when the instruction at
    /// `at` is executed.
    pub(super) fn asserted(&self, at: FileVa, word: &Made) -> Asserted {
        let Some(at) = self.index(at) else { return Asserted::Never };
        let mut search = Search { left: MAX_COMPARES, met: false, open: false, found: None };
        let (mut work, mut seen) = (vec![at], FxHashSet::default());
        while let Some(to) = work.pop() {
            if !seen.insert(to) {
                continue;
            }
            let before = self.before(to);
            search.open |= to == 0 || before.is_empty() || seen.len() > MAX_STEPS;
            if seen.len() > MAX_STEPS {
                break;
            }
            let on = before.into_iter().filter(|from| !self.decides(*from, to, word, &mut search));
            work.extend(on);
        }
        match search {
            Search { found: Some(ty), open: false, .. } => Asserted::Is(ty),
            Search { met: false, .. } => Asserted::Never,
            _ => Asserted::Open,
        }
    }

    /// Whether the way from the jump at `from` to `to` is only taken where the word is of one type.
    fn decides(&self, from: usize, to: usize, word: &Made, search: &mut Search) -> bool {
        let jump = &self.instructions[from];
        let equal = match jump.mnemonic() {
            Mnemonic::Je => true,
            Mnemonic::Jne => false,
            _ => return false,
        };
        let Some(ty) = self.compared_before(from, word, search) else { return false };
        search.met = true;
        let taken = self.instructions[to].ip() == jump.near_branch_target();
        if equal != taken {
            return false;
        }
        search.open |= search.found.is_some_and(|found| found != ty);
        search.found = Some(ty);
        true
    }

    /// The type that the word was compared with for the jump at `jump`.
    fn compared_before(&self, jump: usize, word: &Made, search: &mut Search) -> Option<TypeId> {
        let before = self.instructions[..jump].iter().enumerate().rev().take(MAX_BETWEEN);
        let mut flags = before.skip_while(|(_, i)| {
            matches!(i.mnemonic(), Mnemonic::Mov | Mnemonic::Lea | Mnemonic::Nop)
        });
        let (at, i) = flags.next().filter(|(_, i)| i.mnemonic() == Mnemonic::Cmp)?;
        search.left = search.left.checked_sub(1)?;
        let sides = [self.side(at, i, 0)?, self.side(at, i, 1)?];
        let of = |ty: &Made, own: &Made| match ty {
            Made::Address(va) if own.is_like(word) => self.go.described(self.go.addr_of(*va)),
            _ => None,
        };
        of(&sides[1], &sides[0]).or_else(|| of(&sides[0], &sides[1]))
    }

    /// How an operand of the comparison at `at` was made.
    fn side(&self, at: usize, i: &Instruction, number: u32) -> Option<Made> {
        match i.op_kind(number) {
            OpKind::Register => {
                Some(self.trace(at, Spot::Register(gpr(i.op_register(number))?)).made)
            }
            OpKind::Memory => Some(match self.slot_of(at, i) {
                Some(slot) => self.trace(at, Spot::Slot(slot)).made,
                None => self.loaded(at),
            }),
            _ => None,
        }
    }
}

/// A search under way.
struct Search {
    left: usize,
    met: bool,
    open: bool,
    found: Option<TypeId>,
}

impl Namer<'_, '_, '_> {
    /// The data word of an interface whose type word the code has compared with a type. `None` where it
    /// did not, and it may as well be no such word; else what is known of it.
    pub(super) fn dynamic(&self, origin: &Origin) -> Option<Option<Named>> {
        let (word, text) = self.type_word(&origin.made)?;
        let id = match self.body.asserted(origin.kept.first()?.at, &word) {
            Asserted::Never => return None,
            Asserted::Open => return Some(None),
            Asserted::Is(id) => id,
        };
        let ty = self.go.types.get(id);
        let text = text.map_or_else(|| format!("({})", ty.name), |t| format!("{t}.({})", ty.name));
        let what = match (ty.direct, &ty.kind) {
            (true, Kind::Pointer(to)) => What::Address(*to),
            (true, _) => What::Value(id),
            (false, _) => What::Address(id),
        };
        Some(Some(Named { text, what, field: None, by: By::Types }))
    }

    /// The word before a word, which would be the type word of the interface that it is the data of, and
    /// what the source calls that, if it is the result of a call.
    fn type_word(&self, made: &Made) -> Option<(Made, Option<String>)> {
        match made {
            Made::Argument(number) => Some((Made::Argument(number.checked_sub(1)?), None)),
            Made::Result { call, callee, number } => {
                let number = number.checked_sub(1)?;
                let text = callee.and_then(|callee| self.call(callee, number));
                Some((Made::Result { call: *call, callee: *callee, number }, text))
            }
            Made::Word { base, index, offset } => {
                let offset = offset.checked_sub(8)?;
                Some((Made::Word { base: base.clone(), index: index.clone(), offset }, None))
            }
            _ => None,
        }
    }
}
