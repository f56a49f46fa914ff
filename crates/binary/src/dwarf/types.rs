//! Types, as the linker describes them.

use gimli::constants as c;

use super::Debug;
use super::entry::Entry;
use super::error::DwarfError;
use super::name::{entry_at, name, text};

/// A type of the program: the place of its entry in `.debug_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeRef(pub(super) u64);

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type<'e> {
    /// Where it stands.
    pub this: TypeRef,
    /// Its name as the linker has it, with full package paths; empty where it has none.
    pub name: &'e str,
    /// Its size in bytes, or `None` for what has none. For a typedef it is that of the type it
    /// names, for a pointer the size of an address.
    pub size: Option<u64>,
    /// The `abi.Kind` of the type. A typedef that only names another type has none.
    pub go_kind: Option<u8>,
    /// Where the type's run-time descriptor lies, in bytes from `runtime.types`. `None` where the
    /// linker left the descriptor out, and for types that only DWARF knows.
    pub go_runtime_type: Option<u64>,
    /// The key of a map.
    pub key: Option<TypeRef>,
    /// The elem of a map, slice or channel.
    pub elem: Option<TypeRef>,
    /// For the type of a variable in generic code, whose type here is only its shape: the index
    /// of the true type in the function's dictionary.
    pub dict_index: Option<u64>,
    /// What it is made of.
    pub shape: Shape<'e>,
}

/// What a type is made of. Go describes some types in terms of others, with the kind beside it:
/// strings and slices are structs; maps, channels and interfaces are typedefs of what they are in
/// the runtime (`map[K]V` of `*map<K,V>` or `*hash<K,V>`, `chan T` of `*hchan<T>`, interfaces of
/// `runtime.iface` and `runtime.eface`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape<'e> {
    /// A number or a bool. The encoding is DWARF's (`DW_ATE_…`; DWARF 5, table 7.11).
    Base {
        /// The `DW_ATE_` value.
        encoding: u8,
    },
    /// A pointer, or with `None` an `unsafe.Pointer`.
    Pointer(Option<TypeRef>),
    /// A struct, by its members in the order of declaration.
    Struct(Vec<Member<'e>>),
    /// An array.
    Array {
        /// What it is an array of.
        elem: TypeRef,
        /// How many of it.
        count: u64,
    },
    /// Another name for a type, or what a map, channel or interface is underneath.
    Typedef(TypeRef),
    /// A func value: a pointer to a closure.
    Subroutine,
    /// A type of which the linker says nothing.
    Unspecified,
    /// A kind of type that Go has not, from another language: its DWARF tag.
    Foreign(u16),
}

/// A member of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'e> {
    /// Its name; for an embedded field the name of its type.
    pub name: &'e str,
    /// Where it starts in the struct, in bytes.
    pub offset: u64,
    /// Its type.
    pub ty: TypeRef,
    /// Whether it is an embedded field.
    pub embedded: bool,
}

/// How long a chain of typedefs, or of arrays in arrays, is followed.
const CHAIN: usize = 64;

/// How many members a struct may have. Go's linker sees no source-level limit; the largest known
/// generated structs have a few thousand.
const MEMBERS: usize = 1 << 20;

impl<'e> Debug<'e> {
    /// The type at a place.
    ///
    /// # Errors
    ///
    /// Where the entry is no type, or is damaged.
    pub fn type_at(&self, ty: TypeRef) -> Result<Type<'e>, DwarfError> {
        let (unit, entry) = entry_at(&self.units, ty.0)?;
        let name = entry.name.map(|value| text(&self.dwarf, unit, ty.0, value));
        Ok(Type {
            this: ty,
            name: name.transpose()?.unwrap_or(""),
            size: self.size(&entry)?,
            go_kind: entry.kind,
            go_runtime_type: entry.runtime_type,
            key: entry.key.map(TypeRef),
            elem: entry.elem.map(TypeRef),
            dict_index: entry.dict_index,
            shape: self.shape(&entry)?,
        })
    }

    /// The map types that have a name and a run-time descriptor, as they stand one behind the other.
    /// Entries that are damaged are left out.
    pub fn maps(&self) -> Vec<TypeRef> {
        let is_map = |ty: &TypeRef| {
            let entry = entry_at(&self.units, ty.0);
            entry.is_ok_and(|(_, entry)| entry.key.is_some() && entry.runtime_type.is_some())
        };
        let mut maps: Vec<_> = self.types().map(|(_, ty)| ty).filter(is_map).collect();
        maps.sort_unstable();
        maps
    }

    /// The type at a place, behind the typedefs that only give it a name: one with a `go_kind`,
    /// or one that only DWARF knows.
    ///
    /// # Errors
    ///
    /// Where an entry on the way is no type, or they go round in circles.
    pub fn resolve(&self, ty: TypeRef) -> Result<Type<'e>, DwarfError> {
        let (mut at, mut dict_index) = (ty, None);
        for _ in 0..CHAIN {
            let (_, entry) = entry_at(&self.units, at.0)?;
            dict_index = dict_index.or(entry.dict_index);
            match entry.ty {
                Some(named) if entry.tag == c::DW_TAG_typedef && entry.kind.is_none() => {
                    at = TypeRef(named);
                }
                _ => return Ok(Type { dict_index, ..self.type_at(at)? }),
            }
        }
        Err(DwarfError::TooDeep { offset: ty.0 })
    }

    /// The size in bytes of the type at a place, or `None` for what has none.
    ///
    /// # Errors
    ///
    /// As [`Debug::type_at`].
    pub fn size_of(&self, ty: TypeRef) -> Result<Option<u64>, DwarfError> {
        self.size(&entry_at(&self.units, ty.0)?.1)
    }

    fn size(&self, entry: &Entry<'e>) -> Result<Option<u64>, DwarfError> {
        let mut entry = *entry;
        let mut times = 1u64;
        for _ in 0..CHAIN {
            let of = match (entry.size, entry.tag) {
                (Some(size), _) => return Ok(size.checked_mul(times)),
                (None, c::DW_TAG_pointer_type | c::DW_TAG_subroutine_type) => {
                    return Ok(times.checked_mul(8));
                }
                (None, c::DW_TAG_array_type) => {
                    let count = self.array_count(&entry)?;
                    let Some(product) = times.checked_mul(count) else { return Ok(None) };
                    times = product;
                    entry.ty
                }
                (None, c::DW_TAG_typedef) => entry.ty,
                _ => None,
            };
            let Some(of) = of else { return Ok(None) };
            entry = entry_at(&self.units, of)?.1;
        }
        Err(DwarfError::TooDeep { offset: entry.offset })
    }

    fn shape(&self, entry: &Entry<'e>) -> Result<Shape<'e>, DwarfError> {
        let ty = entry.ty.map(TypeRef);
        Ok(match entry.tag {
            c::DW_TAG_base_type => {
                let encoding = entry.encoding.and_then(|e| u8::try_from(e).ok());
                Shape::Base { encoding: entry.require(encoding, "encoding")? }
            }
            c::DW_TAG_pointer_type => Shape::Pointer(ty),
            c::DW_TAG_structure_type => Shape::Struct(self.members_of(entry)?),
            c::DW_TAG_array_type => {
                Shape::Array { elem: entry.require(ty, "type")?, count: self.array_count(entry)? }
            }
            c::DW_TAG_typedef => Shape::Typedef(entry.require(ty, "type")?),
            c::DW_TAG_subroutine_type => Shape::Subroutine,
            c::DW_TAG_unspecified_type => Shape::Unspecified,
            c::DW_TAG_union_type
            | c::DW_TAG_enumeration_type
            | c::DW_TAG_const_type
            | c::DW_TAG_volatile_type => Shape::Foreign(entry.tag.0),
            tag => return Err(DwarfError::NotAType { offset: entry.offset, tag: tag.0 }),
        })
    }

    fn members_of(&self, entry: &Entry<'e>) -> Result<Vec<Member<'e>>, DwarfError> {
        let mut members = Vec::new();
        self.children(entry.offset, |unit, child| {
            if child.tag != c::DW_TAG_member {
                return Ok(true);
            }
            if members.len() == MEMBERS {
                let (offset, what) = (entry.offset, "members");
                return Err(DwarfError::TooMany { offset, what, limit: MEMBERS });
            }
            members.push(Member {
                name: name(&self.dwarf, &self.units, unit, child)?,
                offset: child.member_offset.unwrap_or(0),
                ty: TypeRef(child.require(child.ty, "type")?),
                embedded: child.embedded,
            });
            Ok(true)
        })?;
        Ok(members)
    }

    fn array_count(&self, entry: &Entry<'e>) -> Result<u64, DwarfError> {
        let mut count = None;
        self.children(entry.offset, |_, child| {
            count = child.count;
            Ok(child.tag != c::DW_TAG_subrange_type)
        })?;
        entry.require(count, "length")
    }
}
