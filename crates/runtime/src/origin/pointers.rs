//! Which pointers the code of a line follows, and may find nil.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};
use mapscope_binary::FileVa;
use rustc_hash::FxHashSet;

use super::effect::gpr;
use super::{Body, Made, Origin, Spot};

/// Pages that are never mapped: code asks for itself whether a pointer is nil where it reaches further
/// (`minZeroPage` in cmd/compile/internal/ssa).
const NIL_PAGE: u64 = 4096;
/// Instructions of a line that are looked at, and others that follow one pointer.
const MAX_LOOKED: usize = 1 << 10;

/// A pointer that code follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The first instruction of the line that follows it.
    pub at: FileVa,
    /// How it was made.
    pub origin: Origin,
}

impl Body<'_, '_> {
    /// The pointers that instructions follow of which `here` says so, each once, and which may be nil there:
    /// not the runtime's own, nor what was followed before on every way.
    pub fn may_be_nil(&self, here: impl Fn(FileVa) -> bool) -> Vec<Followed> {
        let all = self.instructions.iter().enumerate();
        let own = all.filter(|(_, i)| follows(i) && here(FileVa(i.ip()))).take(MAX_LOOKED);
        let mut found: Vec<Followed> = Vec::new();
        for (at, i) in own {
            let Some(base) = gpr(i.memory_base()) else { continue };
            let origin = pointer(self.trace(at, Spot::Register(base)));
            let known = origin.made != Made::Unknown
                && found.iter().any(|other| other.origin.made == origin.made);
            if known
                || self.is_never_nil(&origin.made)
                || self.was_followed(at, &origin.made, &here)
            {
                continue;
            }
            found.push(Followed { at: FileVa(i.ip()), origin });
        }
        found
    }

    /// Whether it is the address of something, or what the runtime has returned: the place of an elem, or of
    /// what it has allocated.
    fn is_never_nil(&self, made: &Made) -> bool {
        match made {
            Made::Address(_) | Made::Frame(_) => true,
            Made::Result { callee: Some(callee), .. } => {
                let func = self.go.pclntab().and_then(|table| table.find(*callee));
                func.is_some_and(|func| func.name().starts_with("runtime."))
            }
            _ => false,
        }
    }

    /// Whether code elsewhere has followed the same pointer before, whichever way led to the instruction `at`.
    fn was_followed(&self, at: usize, made: &Made, here: &impl Fn(FileVa) -> bool) -> bool {
        // What lies in memory may have changed since.
        if !matches!(
            made,
            Made::Argument(_) | Made::Stacked(_) | Made::Context | Made::Result { .. }
        ) {
            return false;
        }
        let others = self.instructions.iter().enumerate().take(at);
        let others = others.filter(|(_, i)| follows(i) && !here(FileVa(i.ip()))).take(MAX_LOOKED);
        let same = |other: usize, i: &Instruction| {
            let base = gpr(i.memory_base()).map(|base| self.trace(other, Spot::Register(base)));
            base.is_some_and(|origin| pointer(origin).made == *made)
        };
        others.filter(|(other, i)| same(*other, i)).any(|(other, _)| self.leads_by(at, other))
    }

    /// Whether every way from the entry to the instruction `at` leads by `by`.
    fn leads_by(&self, at: usize, by: usize) -> bool {
        let (mut open, mut seen) = (vec![at], FxHashSet::default());
        while let Some(one) = open.pop() {
            if one == by || !seen.insert(one) {
                continue;
            }
            if one == 0 {
                return false;
            }
            open.extend(self.before(one));
        }
        true
    }
}

/// Whether an instruction follows a pointer, and dies there if that is nil.
fn follows(i: &Instruction) -> bool {
    let memory = (0..i.op_count()).any(|number| i.op_kind(number) == OpKind::Memory);
    let fixed = [Register::RSP, Register::RBP, Register::R14, Register::RIP, Register::None];
    memory
        && !matches!(i.mnemonic(), Mnemonic::Lea | Mnemonic::Nop)
        && i.segment_prefix() == Register::None
        && !fixed.contains(&i.memory_base())
        && i.memory_displacement64() < NIL_PAGE
}

/// The pointer itself, where what is followed lies so far from where it leads.
fn pointer(origin: Origin) -> Origin {
    match origin.made {
        Made::Inside { base, index: None, offset } if (0..NIL_PAGE as i64).contains(&offset) => {
            pointer(*base)
        }
        made => Origin { made, kept: origin.kept },
    }
}
