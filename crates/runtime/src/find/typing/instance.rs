//! The real type of a map that DWARF names by the shape which instances of a generic share.

use std::rc::Rc;

use mapscope_target::Addr;

use super::subject::Subject;
use super::{MapTypes, Typing, is_shape};
use crate::types::{Kind, TypeId};

impl MapTypes<'_, '_> {
    /// What is to be said of the map at `addr`, whose first array is at `array`, where it is of an
    /// instance of `shape`: of a map type whose keys and elems are of the shapes of its.
    pub(in crate::find) fn instance(
        &self,
        addr: Addr,
        array: Option<Addr>,
        shape: TypeId,
    ) -> Typing {
        let typed = array.is_some_and(|array| self.go.heap.type_word(array).is_some());
        let near = self.instances(shape);
        if near.is_empty() || typed {
            return self.of(addr, array).unwrap_or(Typing::UNKNOWN);
        }
        let typing = self.decide(&mut Subject::new(addr), &near);
        match typing {
            Ok(typing) if !self.is_partial() => typing,
            _ => Typing::UNKNOWN,
        }
    }

    /// The map types that a map type can stand for: itself, or those of its shape.
    pub(in crate::find) fn instances(&self, ty: TypeId) -> Rc<[TypeId]> {
        let types = &self.go.types;
        let known = || self.by_shape.borrow().get(&ty).map(Rc::clone);
        let Some(shape) = types.map(ty).filter(|_| self.is_shape(ty)) else { return [ty].into() };
        known().unwrap_or_else(|| {
            let listed = self.listed().types.iter().map(|map| map.ty);
            let is_one = |ty: &TypeId| {
                types.map(*ty).is_some_and(|map| {
                    self.is_of(map.key, shape.key) && self.is_of(map.elem, shape.elem)
                })
            };
            let found: Rc<[TypeId]> = listed.filter(is_one).collect();
            self.by_shape.borrow_mut().insert(ty, Rc::clone(&found));
            found
        })
    }

    /// Whether a type is of this shape, as far as kind and size tell: a type of another name, or any
    /// pointer for a pointer.
    fn is_of(&self, ty: TypeId, shape: TypeId) -> bool {
        if ty == shape {
            return true;
        }
        let (ty, shape) = (self.go.types.get(ty), self.go.types.get(shape));
        is_shape(&shape.name) && ty.size == shape.size && kind(&ty.kind) == kind(&shape.kind)
    }
}

/// What of a kind instances share.
fn kind(kind: &Kind) -> std::mem::Discriminant<Kind> {
    std::mem::discriminant(kind)
}
