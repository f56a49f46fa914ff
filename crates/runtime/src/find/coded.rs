//! Roots of which only the machine code tells what they hold: without DWARF, all of them.
//!
//! Code is evidence, not proof. So what it says of a word is believed only where the object that
//! the word leads to agrees, and only if it says one thing.

use mapscope_target::{Addr, MemoryExt};

use super::TypedBy;
use super::holder::Holder;
use super::run::Run;
use super::typing::Fit;
use super::walk::Walker;
use crate::Go;
use crate::code::{Holds, Told};
use crate::goroutine::Goroutine;
use crate::stack::Frame;
use crate::types::{Kind, TypeId, Types};

/// The executable's global variables.
pub(super) fn globals(walker: &mut Walker<'_, '_>) {
    let go = walker.go;
    walker.typed_by(TypedBy::Code);
    for (va, told) in go.code().globals() {
        let at = go.addr_of(va);
        if let Some(name) = data_name(go, at) {
            root(walker, &name, at, told);
        }
    }
    walker.drain();
    walker.typed_by(TypedBy::Static);
}

/// The slots of one frame: those that the code itself uses as what they are said to hold come before
/// those of which that only follows, so that a header is known as what it is before pointers to it.
pub(super) fn slots(walker: &mut Walker<'_, '_>, goroutine: &Goroutine, frame: &Frame<'_, '_>) {
    walker.typed_by(TypedBy::Code);
    let slots = walker.go.code().slots(frame.func.entry());
    let outright = |(_, told): &(i32, &[Told])| told.iter().any(|told| told.times > 0);
    let (first, then): (Vec<_>, Vec<_>) = slots.partition(outright);
    for (offset, told) in first.into_iter().chain(then) {
        let Some(at) = frame.cfa.0.checked_add_signed(offset.into()).map(Addr) else { continue };
        let Some(place) = at.offset_from(frame.sp) else { continue };
        let function = frame.func.name();
        root(walker, &format!("goroutine {} {function} frame+{place:#x}", goroutine.id), at, told);
    }
}

/// `data+0x1c40`, by the linker's names of the parts of the data, each from its own begin.
pub fn data_name(go: &Go<'_>, at: Addr) -> Option<String> {
    let parts = ["noptrdata", "data", "bss", "noptrbss"];
    go.modules.iter().find_map(|module| {
        let mut parts = parts.iter().zip(&module.data);
        let (name, range) = parts.find(|(_, range)| range.contains(&at))?;
        Some(format!("{name}+{:#x}", at.offset_from(range.start)?))
    })
}

fn root(walker: &mut Walker<'_, '_>, name: &str, at: Addr, told: &[Told]) {
    let go = walker.go;
    let Ok(word) = go.memory().addr(at) else { return };
    let told = match believed(walker, told, at, word) {
        Some(Believed::Told(told)) => told,
        Some(Believed::Twins(map, ty)) => return walker.doubt(name, map, ty),
        None => return,
    };
    match told.holds {
        Holds::Map(ty) => walker.root_value(name, &word.0.to_le_bytes(), ty),
        Holds::Header(ty) => walker.root_value(name, &at.0.to_le_bytes(), ty),
        Holds::Pointer(ty) => walker.root(name, word, ty),
        Holds::Value(ty) => walker.root(name, at, ty),
        Holds::Slice(of) => {
            if go.types.reaches_map(of)
                && let Some(count) = elements(walker, at, word, go.types.get(of).size)
            {
                let holder = Holder::at(walker.found_root(name));
                walker.push(Run::elements(word, of, count), &holder);
            }
        }
    }
}

/// What is believed of a word.
enum Believed<'t> {
    Told(&'t Told),
    /// The map at this address is of this type, or of another with the same keys and elems.
    Twins(Addr, TypeId),
}

/// The one of what is told of the word at `at` that can be so. None where another may be so too, as
/// what would tell could not be read: that is missing from the answer.
fn believed<'t>(
    walker: &Walker<'_, '_>,
    told: &'t [Told],
    at: Addr,
    word: Addr,
) -> Option<Believed<'t>> {
    let (go, mut open) = (walker.go, walker.types.is_partial());
    let mut agree = Vec::new();
    for one in told {
        let (fit, lost) = go.apart(|| agrees(walker, one.holds, at, word));
        if fit == Fit::Yes || lost > 0 {
            agree.push(one);
        }
        if lost > 0 {
            go.lose(lost);
            open |= fit != Fit::Yes;
        }
    }
    match agree.as_slice() {
        _ if open => None,
        [one] if !one.twins => Some(Believed::Told(one)),
        several => twins(walker, several, at, word),
    }
}

/// What is told, if all of it is one map, whose type alone is in doubt.
fn twins<'t>(
    walker: &Walker<'_, '_>,
    told: &[&Told],
    at: Addr,
    word: Addr,
) -> Option<Believed<'t>> {
    let types = &walker.go.types;
    let map = |told: &&Told| match told.holds {
        Holds::Header(ty) => Some((at, ty)),
        Holds::Map(ty) | Holds::Value(ty) => Some((word, ty)),
        Holds::Pointer(_) | Holds::Slice(_) => None,
    };
    let first = told.first().and_then(map)?;
    let own = types.twins(first.1)?;
    let mut all = told.iter().filter_map(map);
    let alike = all.all(|(addr, ty)| addr == first.0 && types.twins(ty) == Some(own));
    let same = alike && told.iter().all(|one| map(one).is_some());
    same.then_some(Believed::Twins(first.0, first.1))
}

/// Maps that the code has told of, but not quite of which type: last, as something else may tell.
pub(super) fn doubtful(walker: &mut Walker<'_, '_>) {
    walker.typed_by(TypedBy::Code);
    for one in std::mem::take(&mut walker.doubtful) {
        walker.on_stack(one.stack);
        walker.twins(&one.name, one.map, one.ty);
        walker.drain();
    }
    walker.on_stack(None);
    walker.typed_by(TypedBy::Static);
}

/// How many elements of `size` bytes there are of the slice whose first word, at `at`, is `word`: all
/// of a heap object; elsewhere, where nothing else tells, what the rest of the slice says.
fn elements(walker: &Walker<'_, '_>, at: Addr, word: Addr, size: u64) -> Option<u64> {
    let go = walker.go;
    let room = walker.room(word) / size.max(1);
    if go.heap.object(word).is_some() {
        return Some(room);
    }
    let part = |offset: u64| go.memory().addr(at.checked_add(offset)?).ok();
    let (len, cap) = (part(8)?.0, part(16)?.0);
    (len <= cap && cap <= room).then_some(len)
}

/// Whether the word at `at`, and what it leads to, can be what `holds` says.
fn agrees(walker: &Walker<'_, '_>, holds: Holds, at: Addr, word: Addr) -> Fit {
    let go = walker.go;
    match holds {
        Holds::Value(_) => Fit::Yes,
        Holds::Header(ty) => walker.types.fit(at, ty),
        Holds::Map(ty) => match go.proven(word, walker.stack.as_ref()) {
            Ok(None) => Fit::Yes,
            Ok(Some(_)) => walker.types.fit(word, ty),
            Err(_) => Fit::No,
        },
        Holds::Pointer(ty) => Fit::of(!word.is_null() && is_made_as(walker, word, ty, false), 0),
        Holds::Slice(of) => Fit::of(!word.is_null() && is_made_as(walker, word, of, true), 0),
    }
}

/// Whether a value of type `ty`, or several, can begin at `at`: there is room for it, and the
/// allocator's own word for the object's type does not say otherwise.
fn is_made_as(walker: &Walker<'_, '_>, at: Addr, ty: TypeId, several: bool) -> bool {
    let go = walker.go;
    let size = go.types.get(ty).size;
    if walker.room(at) < size {
        return false;
    }
    let Some(object) = go.heap.object(at).filter(|object| object.base == at) else {
        return points_well(go, at, ty);
    };
    if let Some(made) = go.heap.type_word(at) {
        return go.types.begins_with(go.types.of_descriptor(made), ty);
    }
    let own = go.types.get(ty).descriptor.and_then(|at| go.types.pointer_words(at));
    match (go.heap.pointer_words(at), own) {
        (Some(bits), Some(own)) if several || size < object.size => bits & own == own,
        (Some(bits), Some(own)) => bits == own,
        _ => true,
    }
}

/// Words of a value that are compared with what its type says of them.
const MAX_WORDS: usize = 1 << 10;

/// Whether what would be pointers in a value of type `ty` at `at` can be: none, or addresses of the
/// heap or of what the executable has loaded; and whether there can be any there.
fn points_well(go: &Go<'_>, at: Addr, ty: TypeId) -> bool {
    let mut offsets = Vec::new();
    pointers(&go.types, ty, 0, &mut offsets);
    let Some(last) = offsets.last() else { return true };
    // In the order of the linker, see `Module::data`: the first and the last hold no pointers.
    let mut barren = go.modules.iter().flat_map(|module| [&module.data[0], &module.data[3]]);
    if barren.any(|range| range.contains(&at)) {
        return false;
    }
    let len = last.saturating_add(8);
    let Ok(bytes) = go.memory().bytes(at, len, len) else { return false };
    let mut words = offsets.iter().map(|offset| Addr(crate::value::word(&bytes, *offset)));
    words.all(|word| {
        let heap = || go.heap.object(word).is_some_and(|object| object.in_use);
        word.is_null() || heap() || go.is_loaded(word)
    })
}

/// Where a value of type `ty`, `from` bytes from the start of another, has pointers: by rising offset,
/// as many as are compared.
fn pointers(types: &Types<'_>, ty: TypeId, from: u64, out: &mut Vec<u64>) {
    if out.len() >= MAX_WORDS {
        return;
    }
    match &types.get(ty).kind {
        Kind::Struct(fields) => {
            for field in fields {
                pointers(types, field.ty, from.saturating_add(field.offset), out);
            }
        }
        Kind::Array(of, len) => {
            let size = types.get(*of).size.max(1);
            for i in 0..(*len).min(MAX_WORDS as u64) {
                pointers(types, *of, from.saturating_add(i.saturating_mul(size)), out);
            }
        }
        Kind::Interface | Kind::EmptyInterface => out.extend([from, from.saturating_add(8)]),
        Kind::String | Kind::Slice(_) | Kind::Pointer(_) | Kind::UnsafePointer => out.push(from),
        Kind::Map(_) | Kind::Chan(_) | Kind::Func => out.push(from),
        _ => {}
    }
}
