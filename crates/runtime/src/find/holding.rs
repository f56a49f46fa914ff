//! What holds the maps that the scan found: any pointer to one, in the data of the program or in an
//! object of the heap. Types say what it is part of where the allocator keeps the object's type.
//!
//! Such a pointer is no root, and what has it may be garbage itself: the map stays one that was found
//! by the scan. Looked through is what can hold pointers, up to a bound, and only where the scan has
//! found something: a heap without such maps costs nothing.

use std::cell::RefCell;
use std::ops::ControlFlow;

use mapscope_target::{Addr, MemoryExt};
use rustc_hash::FxHashMap;

use super::{Findings, FoundBy, TypedBy};
use crate::Go;
use crate::find::typing::{Fit, Held, MapTypes};
use crate::heap::Span;
use crate::maps::each;
use crate::types::{Kind, TypeId};

/// Bytes of the heap that are looked through at most: of a live process each is copied while it
/// stands still.
const MOST: u64 = 32 << 20;

/// Larger objects have their type with them (since 1.22).
const TYPED: u64 = 512;

/// Fields of fields are named so deep.
const MAX_NESTING: u32 = 16;

/// Where a pointer to a map was found.
struct Holder {
    /// As a path: `*main.Session.cache`, `data+0x1c40`.
    path: String,
    /// The type that the holder says the map is of, and how it does.
    ty: Option<(TypeId, TypedBy)>,
    /// The object that has it, where nothing tells its type.
    object: Option<Held>,
}

impl Holder {
    fn untyped(path: String) -> Holder {
        Holder { path, ty: None, object: None }
    }
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Whatever holds a map.
    Holders,
    /// Interfaces that hold an object.
    Interfaces,
}

/// What is looked for, and what of it was found.
struct Search<'g, 'a> {
    go: &'g Go<'a>,
    look: Look,
    wanted: FxHashMap<Addr, usize>,
    /// A bit for each of 64 Ki of hashes of what is wanted: most words are not.
    sieve: Vec<u64>,
    found: Vec<(usize, Holder)>,
    /// Types of objects, and whether a value of one can have a pointer to a header in it.
    able: RefCell<FxHashMap<TypeId, bool>>,
}

/// Names what holds the maps that only the scan has found, as far as a pointer to them is found.
pub(super) fn name(go: &Go<'_>, types: &MapTypes<'_, '_>, findings: &mut Findings) {
    let maps = findings.maps.iter().enumerate();
    let scanned = maps.filter(|(_, map)| map.found_by == FoundBy::Scan && map.held.is_none());
    let wanted: FxHashMap<Addr, usize> = scanned.map(|(i, map)| (map.addr, i)).collect();
    if wanted.is_empty() || go.progress.cancelled() {
        return;
    }
    // Where something cannot be read the map is listed all the same. What was found lacks nothing.
    let mut search = Search::new(go, Look::Holders, wanted);
    let ((), unread) = go.apart(|| search.run());
    // Without DWARF, what the map may be depends on what holds it.
    if go.image.debug.is_none() || !search.wanted.is_empty() {
        go.lose(unread);
    }
    for (map, holder) in search.typed_objects() {
        let held = findings.trail.root(holder.path);
        let Some(map) = findings.maps.get_mut(map) else { continue };
        map.held = Some(held);
        let open = matches!(map.typed_by, TypedBy::Nothing | TypedBy::Elimination | TypedBy::Hash);
        let fits = |(ty, _): &(TypeId, TypedBy)| types.fit(map.addr, *ty) == Fit::Yes;
        if let Some((ty, by)) = holder.ty.filter(|ty| open && fits(ty)) {
            (map.ty, map.typed_by) = (Some(ty), by);
            findings.guesses.remove(&map.addr);
        } else if let Some(held) = holder.object.filter(|_| map.typed_by == TypedBy::Nothing) {
            let guess = findings.guesses.get(&map.addr);
            let guess = types.held(map.addr, &held, guess.map(|guess| &**guess)).guess;
            findings.guesses.extend(guess.map(|guess| (map.addr, guess)));
        }
    }
}

/// One of 64 Ki numbers; headers are apart by 48 bytes at least.
fn hash(addr: u64) -> usize {
    (addr.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

impl<'g, 'a> Search<'g, 'a> {
    fn new(go: &'g Go<'a>, look: Look, wanted: FxHashMap<Addr, usize>) -> Search<'g, 'a> {
        let mut sieve = vec![0; 1 << 10];
        for addr in wanted.keys() {
            let bit = hash(addr.0);
            sieve[bit / 64] |= 1 << (bit % 64);
        }
        let (found, able) = (Vec::new(), RefCell::default());
        Search { go, look, wanted, sieve, found, able }
    }

    /// What was found. Of objects of which nothing tells the type, interfaces that hold them do.
    fn typed_objects(mut self) -> Vec<(usize, Holder)> {
        let objects = self.found.iter().enumerate();
        let open = objects.filter(|(_, (_, holder))| holder.ty.is_none());
        let open = open.filter_map(|(i, (_, holder))| Some((holder.object?.object, i)));
        let wanted: FxHashMap<Addr, usize> = open.collect();
        if wanted.is_empty() || self.go.image.debug.is_some() {
            return self.found;
        }
        let mut search = Search::new(self.go, Look::Interfaces, wanted);
        search.run();
        let found = std::mem::take(&mut search.found).into_iter();
        let types = found.filter_map(|(i, holder)| Some((i, holder.ty?.0)));
        let of = |(i, ty): (usize, TypeId)| Some((self.found.get(i)?.1.object?.object, ty));
        let types: FxHashMap<Addr, TypeId> = types.filter_map(of).collect();
        for (_, holder) in &mut self.found {
            let Some(held) = holder.object else { continue };
            let Some(ty) = types.get(&held.object) else { continue };
            let path = format!("*{}", self.go.types.get(*ty).name);
            let named = search.within(path, *ty, held.offset);
            let ty = named.ty.map(|(ty, _)| (ty, TypedBy::Interface)).or(holder.ty);
            *holder = Holder { path: named.path, ty, object: holder.object };
        }
        self.found
    }

    fn run(&mut self) {
        let go = self.go;
        for module in go.modules.iter() {
            // In the order of the linker, see `Module::data`: the two between hold pointers.
            for (name, range) in ["noptrdata", "data", "bss"].iter().zip(&module.data).skip(1) {
                let len = range.end.0.saturating_sub(range.start.0);
                self.words(range.start, len, &mut |search, at| match search.look {
                    Look::Holders => {
                        Some(search.of_global(name, at, at.0.wrapping_sub(range.start.0)))
                    }
                    Look::Interfaces => search.interface(at, range.start),
                });
            }
        }
        let (mut left, processors) = (MOST, go.processors());
        for typed in [true, false] {
            let _ = go.heap.spans_of(&|size| (size > TYPED) == typed, &processors, &mut |span| {
                self.span(span, &mut left);
                match left == 0 || self.wanted.is_empty() {
                    true => ControlFlow::Break(()),
                    false => go.flow(),
                }
            });
        }
    }

    /// Looks through the objects of a span.
    fn span(&mut self, span: &Span, left: &mut u64) {
        if let Some(descriptor) = span.large_type.filter(|_| span.size_class == 0)
            && self.go.type_word(descriptor).is_ok_and(|ty| !self.is_able(ty))
        {
            return;
        }
        let len = span.elemsize.saturating_mul(span.nelems).min(*left);
        *left -= len;
        self.words(span.start, len, &mut |search, at| match search.look {
            Look::Holders => search.of_object(at),
            Look::Interfaces => {
                let object = search.go.heap.object(at).filter(|object| object.in_use)?;
                search.interface(at, object.value)
            }
        });
    }

    /// Looks for what is wanted in `len` bytes from `from` on; `holder` tells what has the word at an
    /// address, `None` where that is nothing.
    fn words(
        &mut self,
        from: Addr,
        len: u64,
        holder: &mut dyn FnMut(&Self, Addr) -> Option<Holder>,
    ) {
        let go = self.go;
        let mut hits = Vec::new();
        // What cannot be read has no holder in it.
        let _ = each(go.memory(), from, 8, len / 8, |i, word| {
            let word = word.try_into().map_or(0, u64::from_le_bytes);
            let bit = hash(word);
            if self.sieve[bit / 64] >> (bit % 64) & 1 != 0 && self.wanted.contains_key(&Addr(word))
            {
                hits.extend(from.index(i, 8).map(|at| (at, Addr(word))));
            }
            match hits.len() > self.wanted.len().saturating_mul(16) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        for (at, map) in hits {
            if self.wanted.contains_key(&map)
                && let Some(holder) = holder(self, at)
                && let Some(number) = self.wanted.remove(&map)
            {
                self.found.push((number, holder));
            }
        }
    }

    /// The word at `at`, `offset` bytes from the start of the data called `part`.
    fn of_global(&self, part: &str, at: Addr, offset: u64) -> Holder {
        let go = self.go;
        let unnamed = || Holder::untyped(format!("{part}+{offset:#x}"));
        let Some(debug) = &go.image.debug else { return unnamed() };
        let (globals, va) = (debug.globals(), go.va_of(at));
        let after = globals.partition_point(|global| global.addr <= va);
        let Some(global) = after.checked_sub(1).and_then(|i| globals.get(i)) else {
            return unnamed();
        };
        let ty = go.types.of_debug(global.ty);
        let inside = va.0.wrapping_sub(global.addr.0);
        match inside < go.types.get(ty).size {
            true => self.within(global.name.to_owned(), ty, inside),
            false => unnamed(),
        }
    }

    /// The word at `at`, in an object of the heap that is in use.
    fn of_object(&self, at: Addr) -> Option<Holder> {
        let go = self.go;
        let object = go.heap.object(at).filter(|object| object.in_use && at >= object.value)?;
        let offset = at.0.wrapping_sub(object.value.0);
        let typed = go.heap.type_word(object.base).and_then(|at| go.type_word(at).ok());
        let Some(ty) = typed else {
            let path = format!("object {} +{offset:#x}", object.value);
            let (size, bits) = (object.size, go.heap.pointer_words(object.base));
            let held = Held { object: object.value, offset, size, bits };
            let ty = self.in_interface(at, offset).map(|ty| (ty, TypedBy::Interface));
            return Some(Holder { path, ty, object: Some(held) });
        };
        let (size, name) = (go.types.get(ty).size.max(1), &go.types.get(ty).name);
        let path = match object.size / size {
            0 | 1 => format!("*{name}"),
            _ => format!("[]{name}[{}]", offset / size),
        };
        Some(self.within(path, ty, offset % size))
    }

    /// What the object is of whose address is at `at`, if that is the second word of an interface that
    /// is not before `first`: as large as its type says, and with pointers where that has them.
    fn interface(&self, at: Addr, first: Addr) -> Option<Holder> {
        let (go, types) = (self.go, &self.go.types);
        let before = Addr(at.0.checked_sub(8).filter(|before| *before >= first.0)?);
        let dynamic = go.described(go.memory().addr(before).ok()?)?;
        let ty = match &types.get(dynamic).kind {
            Kind::Pointer(to) => *to,
            _ if types.get(dynamic).direct => return None,
            _ => dynamic,
        };
        let object = go.heap.object(go.memory().addr(at).ok()?)?;
        let own = types.get(ty).descriptor.and_then(|at| types.pointer_words(at));
        let bits = go.heap.pointer_words(object.base);
        let large = go.heap.rounded(types.get(ty).size, true) == object.size;
        let alike = own.zip(bits).is_none_or(|(own, bits)| own & !bits == 0);
        let holder =
            Holder { ty: Some((ty, TypedBy::Interface)), ..Holder::untyped(String::new()) };
        (large && alike).then_some(holder)
    }

    /// The type of map that the word before says, `offset` bytes into an object, if the two are an
    /// interface.
    fn in_interface(&self, at: Addr, offset: u64) -> Option<TypeId> {
        let go = self.go;
        let before = Addr(at.0.checked_sub(8).filter(|_| offset >= 8)?);
        let word = go.apart(|| go.memory().addr(before).ok()).0?;
        go.described(word).filter(|ty| matches!(go.types.get(*ty).kind, Kind::Map(_)))
    }

    /// A word within a value of type `ty` that is called `path`: by fields and indices as far as they
    /// lead, then by its offset.
    fn within(&self, mut path: String, mut ty: TypeId, mut offset: u64) -> Holder {
        let types = &self.go.types;
        for _ in 0..MAX_NESTING {
            match &types.get(ty).kind {
                Kind::Struct(fields) => {
                    let Some(field) = fields.iter().rfind(|f| {
                        let end = f.offset.saturating_add(types.get(f.ty).size);
                        (f.offset..end).contains(&offset)
                    }) else {
                        break;
                    };
                    path = format!("{path}.{}", field.name);
                    (ty, offset) = (field.ty, offset - field.offset);
                }
                Kind::Array(of, _) => {
                    let size = types.get(*of).size.max(1);
                    path = format!("{path}[{}]", offset / size);
                    (ty, offset) = (*of, offset % size);
                }
                Kind::Map(_) if offset == 0 => {
                    return Holder { path, ty: Some((ty, TypedBy::Static)), object: None };
                }
                // The second word of an interface is what it holds.
                Kind::Interface | Kind::EmptyInterface if offset == 8 => offset = 0,
                _ => break,
            }
        }
        if offset > 0 {
            path = format!("{path} +{offset:#x}");
        }
        Holder::untyped(path)
    }

    /// Whether a value of type `ty` can have a pointer to a header in it.
    fn is_able(&self, ty: TypeId) -> bool {
        if let Some(known) = self.able.borrow().get(&ty) {
            return *known;
        }
        // Found again while it is being found out, a type adds nothing.
        self.able.borrow_mut().insert(ty, false);
        let able = match &self.go.types.get(ty).kind {
            Kind::Struct(fields) => fields.iter().any(|field| self.is_able(field.ty)),
            Kind::Array(of, len) => *len > 0 && self.is_able(*of),
            Kind::Map(_) | Kind::UnsafePointer | Kind::Interface | Kind::EmptyInterface => true,
            Kind::Unknown(_) => true,
            // Not `*maps.Map` and `*runtime.hmap` either, which only the runtime has.
            _ => false,
        };
        self.able.borrow_mut().insert(ty, able);
        able
    }
}
