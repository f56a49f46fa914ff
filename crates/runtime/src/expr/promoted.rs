//! Fields of embedded structs, by their bare names.

use crate::Go;
use crate::types::{Kind, TypeId};

/// Structs embedded in one another deeper than this are not looked into.
const MAX_DEPTH: usize = 8;
/// Embedded structs looked at.
const MAX_STRUCTS: usize = 1 << 12;

/// The embedded fields through which a struct of type `ty` has the field `name`: the shallowest, as in
/// Go. An embedded field is told by its name, which is that of its type.
pub(super) fn promoted(go: &Go<'_>, ty: TypeId, name: &str) -> Option<Vec<String>> {
    let mut level = vec![(ty, Vec::new())];
    let mut left = MAX_STRUCTS;
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for (ty, way) in level {
            left = left.checked_sub(1)?;
            let Kind::Struct(fields) = &go.types.get(ty).kind else { continue };
            if !way.is_empty() && fields.iter().any(|field| field.name == name) {
                return Some(way);
            }
            for field in fields {
                let to = match go.types.get(field.ty).kind {
                    Kind::Pointer(to) => to,
                    _ => field.ty,
                };
                if is_named(&go.types.get(to).name, &field.name) {
                    let mut way = way.clone();
                    way.push(field.name.clone());
                    next.push((to, way));
                }
            }
        }
        level = next;
    }
    None
}

/// Whether a type printed as `ty` is called `name` in its package: `cache.Base[int]` is `Base`.
fn is_named(ty: &str, name: &str) -> bool {
    let bare = ty.split('[').next().unwrap_or(ty);
    bare.rsplit('.').next() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn embedded_fields_are_named_after_their_types() {
        assert!(is_named("sync.Mutex", "Mutex"));
        assert!(is_named("cache.Base[a.b/c.T]", "Base"));
        assert!(!is_named("main.Router", "router"));
        assert!(!is_named("map[string]main.Base", "Base"));
    }
}
