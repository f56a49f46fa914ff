//! The types of the program, from its run-time descriptors and its DWARF, in one table.
//!
//! A type that has a descriptor is always read from it: its name is then as `reflect` prints it,
//! and its layout is the one the runtime itself uses. DWARF adds the types that need no
//! descriptor at run time: of globals and locals that never meet an interface or an allocation.

mod debug;
mod descriptor;
mod linked;
mod listed;
mod name;
mod reach;
mod special;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use mapscope_binary::dwarf::{Debug, TypeRef as DebugRef};
use mapscope_target::{Addr, Fault, Memory};
use rustc_hash::FxHashMap;

use crate::evidence::Source;
use crate::module::Module;

pub(crate) use descriptor::DescriptorLayouts;
pub use name::{short_name, spelt};
pub use special::Special;

/// A type of the program: an index into [`Types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u32);

impl TypeId {
    /// The type with this number.
    #[cfg(test)]
    pub(crate) fn from_index(index: u32) -> TypeId {
        TypeId(index)
    }

    /// A dense number, for tables beside [`Types`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One type.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// As `reflect` prints it: `map[string]*main.Session`.
    pub name: String,
    /// Size of a value in bytes.
    pub size: u64,
    /// Alignment of a value in bytes; 8 where only DWARF knows the type.
    pub align: u64,
    /// What it is made of.
    pub kind: Kind,
    /// Where its run-time descriptor is, if the binary has one.
    pub descriptor: Option<Addr>,
    /// The program gave it a name.
    pub named: bool,
    /// An interface holds it in its data word itself, not behind it: it is one pointer.
    pub direct: bool,
}

/// What a type is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `bool`
    Bool,
    /// `int8` to `int64`, `int`
    Int,
    /// `uint8` to `uint64`, `uint`, `uintptr`
    Uint,
    /// `float32`, `float64`
    Float,
    /// `complex64`, `complex128`
    Complex,
    /// `string`
    String,
    /// `unsafe.Pointer`
    UnsafePointer,
    /// `*T`
    Pointer(TypeId),
    /// `[]T`
    Slice(TypeId),
    /// `[N]T`
    Array(TypeId, u64),
    /// `struct`
    Struct(Vec<Field>),
    /// `map[K]V`
    Map(MapType),
    /// `chan T`
    Chan(TypeId),
    /// `func`: a pointer to a closure
    Func,
    /// An interface without methods: its first word is the dynamic type.
    EmptyInterface,
    /// An interface with methods: its first word is an `itab`.
    Interface,
    /// Not to be made out; why.
    Unknown(String),
}

/// One field of a struct.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name; `_` where blank.
    pub name: String,
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Its type.
    pub ty: TypeId,
}

/// What a map holds, and how its slots are laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct MapType {
    /// Key type.
    pub key: TypeId,
    /// Elem type.
    pub elem: TypeId,
    /// How a bucket or group is laid out; `None` where the binary has no descriptor of this map
    /// type, so that no map of it can have been made.
    pub slots: Option<SlotLayout>,
    /// Descriptor of the bucket or group type: the type word of the map's arrays.
    pub storage: Option<Addr>,
}

/// How the eight slots of a bucket (classic) or group (Swiss) are laid out.
///
/// The same four numbers describe every shape: key `i` is at `keys_off + i*key_stride`, elem `i`
/// at `elems_off + i*elem_stride`, from the start of the bucket or group, whose first eight bytes
/// are `tophash` or control bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLayout {
    /// Bytes from one bucket or group to the next.
    pub block_size: u64,
    /// From the start of the block to its first key.
    pub keys_off: u64,
    /// From one key to the next.
    pub key_stride: u64,
    /// From the start of the block to its first elem.
    pub elems_off: u64,
    /// From one elem to the next.
    pub elem_stride: u64,
    /// The slot holds a pointer to the key (keys above 128 bytes).
    pub indirect_key: bool,
    /// The slot holds a pointer to the elem (elems above 128 bytes).
    pub indirect_elem: bool,
    /// Keys and elems hold no pointers: the GC does not look inside.
    pub pointer_free: bool,
    /// Keys and elems are in arrays of their own, not side by side.
    pub split: bool,
}

/// Larger than any bucket or group, in bytes: eight keys and elems of at most 128 bytes each.
const MAX_BLOCK: u64 = 4096;

impl SlotLayout {
    /// Whether every slot begins within the block, and the block is no larger than blocks are.
    fn is_sane(&self) -> bool {
        let fits = |first: u64, stride: u64| {
            let last = stride.checked_mul(7).and_then(|bytes| first.checked_add(bytes));
            last.is_some_and(|last| last <= self.block_size)
        };
        self.block_size <= MAX_BLOCK
            && fits(self.keys_off, self.key_stride)
            && fits(self.elems_off, self.elem_stride)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    Descriptor(Addr),
    Debug(DebugRef),
}

struct Slot {
    origin: Origin,
    ty: OnceCell<Rc<Type>>,
}

/// Every type met so far. Types are read when they are first asked for.
pub struct Types<'a> {
    memory: linked::Linked<'a>,
    debug: Option<&'a Debug<'a>>,
    layouts: Rc<DescriptorLayouts>,
    modules: Rc<[Module]>,
    slots: RefCell<Vec<Rc<Slot>>>,
    known: RefCell<FxHashMap<Origin, TypeId>>,
    reach: reach::Memo,
    by_name: listed::ByName,
    special: special::Memo,
    /// Types being read: the name of one that is made at run time is spelt from others'.
    reading: RefCell<Vec<TypeId>>,
    /// Something of what the linker made could not be read.
    partial: Cell<bool>,
}

/// Fields looked at for the first that leads on.
const MAX_LEADS: u32 = 256;

/// A type, and structs and arrays one in the front of the other, looked into for what is in front.
const MAX_FRONTS: usize = 17;

/// Types whose names are spelt from each other's, one in the other.
const MAX_SPELT: usize = 32;

impl<'a> Types<'a> {
    /// An empty table over `memory`, with layouts of the descriptors as `source` tells them.
    ///
    /// # Errors
    ///
    /// The source does not know how a descriptor is laid out.
    pub fn new(
        memory: &'a dyn Memory,
        debug: Option<&'a Debug<'a>>,
        source: &dyn Source,
        modules: Rc<[Module]>,
    ) -> Result<Types<'a>, crate::evidence::Missing> {
        Ok(Types {
            memory: linked::Linked::new(memory, &modules),
            debug,
            layouts: Rc::new(DescriptorLayouts::load(source)?),
            modules,
            slots: RefCell::default(),
            known: RefCell::default(),
            reach: reach::Memo::default(),
            by_name: listed::ByName::default(),
            special: special::Memo::default(),
            reading: RefCell::default(),
            partial: Cell::default(),
        })
    }

    /// The type whose descriptor is at `addr`. Whether there is one shows in [`Types::get`].
    pub fn of_descriptor(&self, addr: Addr) -> TypeId {
        self.intern(Origin::Descriptor(addr))
    }

    /// The type that DWARF describes at `place`; by its descriptor where it has one.
    pub fn of_debug(&self, place: DebugRef) -> TypeId {
        let origin = self.descriptor_of(place).map_or(Origin::Debug(place), Origin::Descriptor);
        self.intern(origin)
    }

    /// The type with this linker's name (`sync.poolLocal`), as DWARF knows it; without DWARF, as
    /// far as it has a descriptor that leads from those that the modules list.
    pub fn named(&self, name: &str) -> Option<TypeId> {
        match self.debug {
            Some(debug) => Some(self.of_debug(debug.type_named(name)?)),
            None => self.listed(name),
        }
    }

    /// The type itself.
    pub fn get(&self, id: TypeId) -> Rc<Type> {
        let slot = Rc::clone(&self.slots.borrow()[id.index()]);
        if let Some(known) = slot.ty.get() {
            return Rc::clone(known);
        }
        let nested =
            self.reading.borrow().len() >= MAX_SPELT || self.reading.borrow().contains(&id);
        if nested {
            return Rc::new(unknown("a type whose name leads back to itself".into()));
        }
        self.reading.borrow_mut().push(id);
        let ty = Rc::clone(slot.ty.get_or_init(|| Rc::new(self.read(slot.origin))));
        self.reading.borrow_mut().pop();
        ty
    }

    /// The map type of `id`, if it is one.
    pub fn map(&self, id: TypeId) -> Option<MapType> {
        match &self.get(id).kind {
            Kind::Map(map) => Some(map.clone()),
            _ => None,
        }
    }

    /// The keys and the elems of the map type `id`: one with the same is converted into it, and takes
    /// no instruction to be.
    pub(crate) fn twins(&self, id: TypeId) -> Option<(TypeId, TypeId)> {
        self.map(id).map(|map| (map.key, map.elem))
    }

    /// The field of a struct, by name.
    pub fn field(&self, id: TypeId, name: &str) -> Option<Field> {
        match &self.get(id).kind {
            Kind::Struct(fields) => fields.iter().find(|f| f.name == name).cloned(),
            _ => None,
        }
    }

    /// Where a value of this type keeps the first pointer that leads to more of it, in bytes from
    /// its start; `None` where it is all in one place.
    pub fn leads_at(&self, id: TypeId) -> Option<u64> {
        self.leads_within(id, &mut { MAX_LEADS })
    }

    /// Whether a value of type `outer` begins with one of type `inner`.
    pub fn begins_with(&self, outer: TypeId, inner: TypeId) -> bool {
        self.fronts(outer).any(|front| front == inner)
    }

    /// The type and those of what its values begin with, from the outside in.
    pub(crate) fn fronts(&self, outer: TypeId) -> impl Iterator<Item = TypeId> {
        let front = |ty: &TypeId| match &self.get(*ty).kind {
            Kind::Struct(fields) => Some(fields.first()?.ty),
            Kind::Array(of, _) => Some(*of),
            _ => None,
        };
        std::iter::successors(Some(outer), front).take(MAX_FRONTS)
    }

    fn leads_within(&self, id: TypeId, left: &mut u32) -> Option<u64> {
        *left = left.checked_sub(1)?;
        match &self.get(id).kind {
            Kind::String | Kind::Slice(_) | Kind::Pointer(_) => Some(0),
            Kind::EmptyInterface | Kind::Interface => Some(8),
            Kind::Array(of, len) if *len > 0 => self.leads_within(*of, left),
            Kind::Struct(fields) => {
                fields.iter().find_map(|f| f.offset.checked_add(self.leads_within(f.ty, left)?))
            }
            _ => None,
        }
    }

    /// Whether a list of types, or the descriptor of one, that the executable has could not be read
    /// so far: that no other type fits something then says nothing.
    pub(crate) fn is_partial(&self) -> bool {
        self.partial.get()
    }

    /// Notes what a fault on the way to what the linker has put at `at` says of the whole.
    fn note(&self, at: Addr, fault: Fault) {
        let linked = self.modules.iter().any(|m| m.types.contains(&at));
        if linked && !fault.why.contradicts() {
            self.partial.set(true);
        }
    }

    /// How many types have been met.
    pub fn len(&self) -> usize {
        self.slots.borrow().len()
    }

    /// Whether none has been met.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The types met so far.
    pub fn ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        (0..self.len() as u32).map(TypeId)
    }

    /// Forgets what was read of descriptors outside the executable: made at run time, or what a
    /// read that raced with the process took for one. And what could not be read.
    pub(crate) fn forget_made(&self) {
        self.partial.set(false);
        let linked = |at: &Addr| self.modules.iter().any(|m| m.types.contains(at));
        for slot in self.slots.borrow_mut().iter_mut() {
            if let (Origin::Descriptor(at), Some(ty)) = (slot.origin, slot.ty.get())
                && (!linked(&at) || matches!(ty.kind, Kind::Unknown(_)))
            {
                *slot = Rc::new(Slot { origin: slot.origin, ty: OnceCell::new() });
                self.reach.forget();
                self.special.forget();
            }
        }
    }

    fn intern(&self, origin: Origin) -> TypeId {
        if let Some(id) = self.known.borrow().get(&origin) {
            return *id;
        }
        let mut slots = self.slots.borrow_mut();
        let id = TypeId(slots.len() as u32);
        slots.push(Rc::new(Slot { origin, ty: OnceCell::new() }));
        self.known.borrow_mut().insert(origin, id);
        id
    }

    fn read(&self, origin: Origin) -> Type {
        let read = match origin {
            Origin::Descriptor(addr) => self.read_descriptor(addr),
            Origin::Debug(place) => self.read_debug(place),
        };
        read.unwrap_or_else(unknown)
    }
}

/// A type that cannot be made out, and why.
fn unknown(why: String) -> Type {
    Type {
        name: "?".into(),
        size: 0,
        align: 1,
        kind: Kind::Unknown(why),
        descriptor: None,
        named: false,
        direct: false,
    }
}

#[cfg(test)]
mod tests {
    use super::SlotLayout;

    #[test]
    fn slots_that_reach_beyond_their_block_are_none() {
        let sane = SlotLayout {
            block_size: 136,
            keys_off: 8,
            key_stride: 16,
            elems_off: 16,
            elem_stride: 16,
            indirect_key: false,
            indirect_elem: false,
            pointer_free: true,
            split: false,
        };
        assert!(sane.is_sane());
        for wrong in [
            SlotLayout { block_size: 100, ..sane },
            SlotLayout { block_size: 1 << 20, ..sane },
            SlotLayout { key_stride: 24, ..sane },
            SlotLayout { key_stride: u64::MAX, ..sane },
            SlotLayout { elems_off: u64::MAX, ..sane },
            SlotLayout { elem_stride: u64::MAX / 7, ..sane },
        ] {
            assert!(!wrong.is_sane(), "{wrong:?}");
        }
    }
}
