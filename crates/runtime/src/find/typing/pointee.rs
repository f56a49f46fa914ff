//! Whether what keys and elems hold, and what they lead to, is what their types say.

use mapscope_target::{Addr, MemoryExt};

use super::MapTypes;
use super::candidate::Why;
use super::fits::Fit;
use super::leads::{Lead, To};
use super::subject::Subject;
use crate::hash::half;
use crate::maps::Entry;
use crate::types::TypeId;
use crate::value::word;

/// Entries of a map whose contents are looked at.
const MAX_ENTRIES: usize = 8;

/// Zeros and ones that say nothing of whether they are bools.
const FEW_BOOLS: u32 = 2;

/// Largest key or elem that is looked at, in bytes.
const MAX_VALUE: u64 = 1 << 16;

/// Longest string that is believed to lie outside of the heap, in bytes.
const MAX_CONSTANT: u64 = 1 << 30;

/// What a word says of the type that it should be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Right,
    Wrong,
    Odd,
    Nothing,
}

impl Says {
    fn right(right: bool) -> Says {
        if right { Says::Right } else { Says::Wrong }
    }
}

impl MapTypes<'_, '_> {
    /// What the first entries of a map say of type `ty`. What cannot be read says nothing.
    pub(super) fn contents(&self, subject: &mut Subject, ty: TypeId) -> Why {
        let go = self.go;
        let (mut why, mut bools) = (Why::default(), 0u32);
        let sample = subject.sample(go, &go.map_at(subject.addr, Some(ty)));
        let (Some(map), Some(sample)) = (go.types.map(ty), sample) else { return why };
        for Entry { key, elem, .. } in sample.entries.iter().take(MAX_ENTRIES) {
            for (at, ty) in [(*key, map.key), (*elem, map.elem)] {
                subject.lost += self.value(at, ty, &mut why, &mut bools);
            }
        }
        why.right += bools.saturating_sub(FEW_BOOLS);
        why
    }

    /// Adds what a value says; how many reads were lost that would tell.
    pub(super) fn value(&self, at: Addr, ty: TypeId, why: &mut Why, bools: &mut u32) -> usize {
        let leads = self.leads.of(&self.go.types, ty);
        let size = self.go.types.get(ty).size;
        if leads.is_empty() || size > MAX_VALUE {
            return 0;
        }
        let (bytes, mut all) = self.go.apart(|| self.go.memory().bytes(at, size, MAX_VALUE));
        let Ok(bytes) = bytes else { return all };
        for lead in leads.iter() {
            let (says, lost) = self.go.apart(|| self.says(lead, &bytes));
            all += lost;
            match says {
                _ if lost > 0 => {}
                Says::Right if lead.to == To::Bool => *bools += 1,
                Says::Right => why.right += 1,
                Says::Wrong => why.wrong += 1,
                Says::Odd => why.odd += 1,
                Says::Nothing => {}
            }
        }
        all
    }

    fn says(&self, lead: &Lead, value: &[u8]) -> Says {
        let (first, second) = (word(value, lead.at), word(value, lead.at.saturating_add(8)));
        match lead.to {
            To::Int(8) | To::Uint(8) if is_usual(f64::from_bits(first)) => Says::Odd,
            To::Int(_) => Says::Nothing,
            To::Uint(size) => unsigned(value, lead.at, size),
            To::Float(4) => float(f32::from_bits(half(value, lead.at)).into()),
            To::Float(_) => float(f64::from_bits(first)),
            To::Bool => Says::Right,
            _ if first == 0 => Says::Nothing,
            To::Pointer(to) => self.pointer(Addr(first), to, 1),
            To::Slice(of) => {
                let cap = word(value, lead.at.saturating_add(16));
                if cap == 0 { Says::Nothing } else { self.pointer(Addr(first), of, cap) }
            }
            To::String => self.string(Addr(first), second),
            To::Any => self.any(Addr(first), Addr(second)),
            To::Interface(ty) => self.interface(Addr(first), ty),
            To::Map(ty) => self.map(Addr(first), ty),
            To::Func => self.closure(Addr(first)),
        }
    }

    /// What the object at `at` says, which should hold `count` values of type `to` from there on.
    fn pointer(&self, at: Addr, to: TypeId, count: u64) -> Says {
        let (go, ty) = (self.go, self.go.types.get(to));
        let Some(object) = go.heap.object(at) else { return Says::Nothing };
        let bytes = ty.size.saturating_mul(count);
        let end = object.base.0.saturating_add(object.size);
        if !object.in_use || at < object.value || bytes > end.saturating_sub(at.0) {
            return Says::Wrong;
        }
        let own = ty.descriptor.and_then(|at| go.types.pointer_words(at));
        let noscan = go.heap.span_of(at).is_some_and(|span| span.noscan);
        if noscan && own.is_some_and(|own| own != 0) {
            return Says::Wrong;
        }
        if let (Some(bits), Some(own)) = (go.heap.pointer_words(object.base), own) {
            let seen = bits.checked_shr(((at.0 - object.base.0) / 8) as u32).unwrap_or(0);
            let within = 1u64.checked_shl((ty.size / 8) as u32).unwrap_or(0).wrapping_sub(1);
            match seen & within {
                seen if own & !seen != 0 => return Says::Wrong,
                // Until 1.19 bits behind the last pointer can be those of an object before.
                seen if seen != own => return Says::Odd,
                _ => {}
            }
        }
        if at != object.value {
            return Says::Nothing;
        }
        if let Some(made) = go.heap.type_word(at) {
            return Says::right(go.types.begins_with(go.types.of_descriptor(made), to));
        }
        match go.heap.rounded(bytes, own != Some(0)) == object.size {
            true => Says::Right,
            false => Says::Odd,
        }
    }

    /// Bytes lie where no pointers are.
    fn string(&self, at: Addr, len: u64) -> Says {
        let Some(object) = self.go.heap.object(at) else {
            return if len > MAX_CONSTANT { Says::Wrong } else { Says::Nothing };
        };
        let room = object.base.0.saturating_add(object.size).saturating_sub(at.0);
        match self.go.heap.span_of(at).is_some_and(|span| span.noscan) {
            _ if len > room || !object.in_use => Says::Wrong,
            true => Says::Right,
            false => Says::Odd,
        }
    }

    /// An `itab` begins with the interface type that it is of, before the dynamic type
    /// (runtime/runtime2.go, internal/abi/iface.go; Go 1.19 to 1.27).
    fn interface(&self, itab: Addr, ty: TypeId) -> Says {
        let of = itab.checked_add(self.go.itab.typ.wrapping_sub(8));
        let of = of.and_then(|at| self.go.memory().addr(at).ok());
        match (of, self.go.types.get(ty).descriptor) {
            (Some(of), Some(own)) => Says::right(of == own),
            _ => Says::Nothing,
        }
    }

    /// What the value at `data` says, which should be of the type whose descriptor is at `word`.
    fn any(&self, word: Addr, data: Addr) -> Says {
        let Ok(dynamic) = self.go.type_word(word) else { return Says::Wrong };
        if self.go.types.get(dynamic).direct {
            return Says::Right;
        }
        match self.pointer(data, dynamic, 1) {
            Says::Nothing => Says::Right,
            says => says,
        }
    }

    fn map(&self, at: Addr, ty: TypeId) -> Says {
        if self.go.heap.object(at).is_none() {
            return Says::Nothing;
        }
        match self.go.proven_in_heap(at) {
            None => Says::Wrong,
            Some(None) => Says::Nothing,
            Some(Some(_)) => Says::right(self.fit(at, ty) != Fit::No),
        }
    }

    fn closure(&self, at: Addr) -> Says {
        let Ok(code) = self.go.memory().addr(at) else { return Says::Wrong };
        Says::right(self.go.modules.iter().any(|module| module.text.contains(&code)))
    }
}

/// A number whose top bit is set is unusual for an unsigned one.
fn unsigned(value: &[u8], at: u64, size: u64) -> Says {
    let last = at.checked_add(size).and_then(|end| value.get(end.checked_sub(1)? as usize));
    if last.is_some_and(|byte| byte & 0x80 != 0) { Says::Odd } else { Says::Nothing }
}

/// Small integers, read as floats, are none that a program comes to.
fn float(float: f64) -> Says {
    match () {
        () if is_usual(float) => Says::Right,
        () if float == 0.0 || !float.is_finite() => Says::Nothing,
        () => Says::Odd,
    }
}

/// Whether a float is not far from what is counted and measured; one in ten of all bit patterns is.
fn is_usual(float: f64) -> bool {
    (1e-30..1e30).contains(&float.abs())
}
