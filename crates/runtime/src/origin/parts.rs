//! Parts of values: what the source calls what lies so far into a struct or an array.

use super::naming::{FieldOf, What};
use crate::Go;
use crate::types::{Kind, TypeId};

/// Structs and arrays deeper in one another than this are not looked into.
const MAX_NESTING: usize = 32;

/// A part of a value.
pub(super) struct Inside {
    /// How the source names the part: `.stats.byPath`, `[3].users`.
    pub(super) path: String,
    pub(super) ty: TypeId,
}

impl Inside {
    /// The same as a field of the value of type `holder` that it lies `offset` bytes into; `None` where
    /// it is the value itself.
    pub(super) fn field(&self, holder: TypeId, offset: u64) -> Option<FieldOf> {
        let path = self.path.trim_start_matches('.').to_owned();
        (!path.is_empty()).then_some(FieldOf { holder, path, offset })
    }
}

/// What lies `offset` bytes into a value of type `ty`: the innermost part where the word itself is
/// meant, else the outermost that begins there.
pub(super) fn inside(go: &Go<'_>, ty: TypeId, offset: u64, innermost: bool) -> Option<Inside> {
    let (mut ty, mut left, mut path) = (ty, offset, String::new());
    for _ in 0..MAX_NESTING {
        if left == 0 && !innermost {
            return Some(Inside { path, ty });
        }
        match &go.types.get(ty).kind {
            Kind::Struct(fields) => {
                let field = fields.iter().rev().find(|field| field.offset <= left)?;
                path = format!("{path}.{}", field.name);
                (ty, left) = (field.ty, left - field.offset);
            }
            Kind::Array(of, len) => {
                let size = go.types.get(*of).size.max(1);
                if left / size >= *len {
                    return None;
                }
                path = format!("{path}[{}]", left / size);
                (ty, left) = (*of, left % size);
            }
            _ => return (left == 0).then_some(Inside { path, ty }),
        }
    }
    None
}

/// How the source writes the part at `path` of what `text` is, or of what it points to.
pub(super) fn selected(text: String, path: &str, followed: bool) -> String {
    match (path, text.starts_with('*')) {
        ("", _) if followed => format!("*{text}"),
        ("", _) | (_, false) => text + path,
        (_, true) => format!("({text}){path}"),
    }
}

/// An array in a value.
pub(super) struct Array {
    pub(super) path: String,
    pub(super) of: TypeId,
    /// How far into an item.
    pub(super) left: u64,
}

/// The array with items of `size` bytes that lies `offset` bytes into a value of type `ty`.
pub(super) fn array(go: &Go<'_>, ty: TypeId, offset: u64, size: u64) -> Option<Array> {
    let (mut ty, mut left, mut path) = (ty, offset, String::new());
    for _ in 0..MAX_NESTING {
        match &go.types.get(ty).kind {
            Kind::Array(of, _) if go.types.get(*of).size == size => {
                return (left < size).then_some(Array { path, of: *of, left });
            }
            Kind::Struct(fields) => {
                let field = fields.iter().rev().find(|field| field.offset <= left)?;
                path = format!("{path}.{}", field.name);
                (ty, left) = (field.ty, left - field.offset);
            }
            _ => return None,
        }
    }
    None
}

/// The field of the struct that a pointer leads to, however deep structs nest in it.
pub(super) fn nested(
    outer: Option<FieldOf>,
    what: What,
    inner: Option<FieldOf>,
) -> Option<FieldOf> {
    match (outer, what, inner) {
        (_, _, Some(inner)) => Some(inner),
        (outer, What::Address(_), None) => outer,
        _ => None,
    }
}
