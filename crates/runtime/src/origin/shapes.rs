//! The types that code of generic functions is compiled for, where the binary has them: Go 1.18 and 1.19
//! make maps of `go.shape.string_0`, later releases of what the dictionary says.

use crate::find::is_shape;
use crate::types::{Kind, TypeId, Types};

/// How the names of shapes begin (cmd/compile/internal/typecheck/subr.go, `Shapify`).
const SHAPE: &str = "go.shape.";

/// Types in types deeper than this are not looked into.
const MAX_NESTING: u8 = 8;

/// Whether a type is made of shapes.
pub(super) fn is_shaped(types: &Types<'_>, ty: TypeId) -> bool {
    is_shape(&types.get(ty).name)
}

/// Whether a value of type `real` may be one of type `used` to the code: it is of that type, or of one that
/// has its shape.
pub(super) fn is_of(types: &Types<'_>, used: TypeId, real: TypeId) -> bool {
    used == real || is_shaped(types, used) && fits(types, used, real, MAX_NESTING)
}

fn fits(types: &Types<'_>, used: TypeId, real: TypeId, depth: u8) -> bool {
    let Some(depth) = depth.checked_sub(1).filter(|_| used != real) else { return used == real };
    let (shape, own) = (types.get(used), types.get(real));
    let both = |used: TypeId, real: TypeId| fits(types, used, real, depth);
    match (&shape.kind, &own.kind) {
        (Kind::Map(used), Kind::Map(real)) => {
            both(used.key, real.key) && both(used.elem, real.elem)
        }
        // All pointers have the shape of one to a byte.
        (Kind::Pointer(_), Kind::Pointer(_)) if shape.name.starts_with(SHAPE) => true,
        (Kind::Pointer(used), Kind::Pointer(real))
        | (Kind::Slice(used), Kind::Slice(real))
        | (Kind::Chan(used), Kind::Chan(real)) => both(*used, *real),
        (Kind::Array(used, len), Kind::Array(real, own)) => len == own && both(*used, *real),
        (used, real) => {
            shape.name.starts_with(SHAPE)
                && shape.size == own.size
                && std::mem::discriminant(used) == std::mem::discriminant(real)
        }
    }
}
