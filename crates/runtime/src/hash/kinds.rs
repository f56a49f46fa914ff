//! How the values of a type are compared and hashed: `types.AlgType` of the compiler
//! (cmd/compile/internal/types/alg.go and size.go; the same rules from 1.19 to 1.27).

use crate::types::{Field, Kind, TypeId, Types};

/// How values of a type are compared and hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As plain memory: all its bytes count (`AMEM`).
    Memory,
    /// By a rule of its kind, or part by part.
    Special,
    /// Not at all: `==` is not defined (`ANOEQ`).
    Never,
}

/// Structs and arrays in each other, deeper than any program has them.
const MAX_DEPTH: u32 = 64;

/// How values of type `id` are compared and hashed.
pub(super) fn way(types: &Types<'_>, id: TypeId) -> Way {
    way_within(types, id, MAX_DEPTH)
}

fn way_within(types: &Types<'_>, id: TypeId, depth: u32) -> Way {
    let Some(depth) = depth.checked_sub(1) else { return Way::Never };
    let ty = types.get(id);
    match &ty.kind {
        Kind::Bool | Kind::Int | Kind::Uint => Way::Memory,
        Kind::Pointer(_) | Kind::UnsafePointer | Kind::Chan(_) => Way::Memory,
        Kind::Float | Kind::Complex | Kind::String => Way::Special,
        Kind::EmptyInterface | Kind::Interface => Way::Special,
        Kind::Slice(_) | Kind::Map(_) | Kind::Func | Kind::Unknown(_) => Way::Never,
        Kind::Array(elem, len) => match way_within(types, *elem, depth) {
            Way::Special if *len == 0 => Way::Memory,
            way => way,
        },
        Kind::Struct(fields) => structure(types, fields, ty.size, depth),
    }
}

fn structure(types: &Types<'_>, fields: &[Field], size: u64, depth: u32) -> Way {
    let mut whole = Way::Memory;
    for (i, field) in fields.iter().enumerate() {
        match way_within(types, field.ty, depth) {
            Way::Never => return Way::Never,
            Way::Memory if !is_blank(field) && !is_padded(types, fields, i, size) => {}
            _ => whole = Way::Special,
        }
    }
    whole
}

/// Blank fields are neither compared nor hashed.
pub(super) fn is_blank(field: &Field) -> bool {
    field.name == "_"
}

/// Whether bytes that belong to no field follow field `i` of a struct of `size` bytes.
pub(super) fn is_padded(types: &Types<'_>, fields: &[Field], i: usize, size: u64) -> bool {
    let next = fields.get(i + 1).map_or(size, |next| next.offset);
    fields.get(i).is_some_and(|field| end(types, field) != next)
}

/// Where a field ends, in bytes from the start of the struct.
pub(super) fn end(types: &Types<'_>, field: &Field) -> u64 {
    field.offset.saturating_add(types.get(field.ty).size)
}
