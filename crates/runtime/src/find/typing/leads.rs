//! Where keys and elems of a type say something of that type.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::types::{Kind, TypeId, Types};

/// A word of a value that tells whether it is of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lead {
    /// Bytes from the start of the value.
    pub(super) at: u64,
    pub(super) to: To,
}

/// What a word leads to, or is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// A value of this type.
    Pointer(TypeId),
    /// An array of values of this type.
    Slice(TypeId),
    /// Bytes.
    String,
    /// The `itab` of this interface type.
    Interface(TypeId),
    /// A type, and a value of it.
    Any,
    /// A map of this type.
    Map(TypeId),
    /// A closure.
    Func,
    /// A signed number of so many bytes.
    Int(u64),
    /// An unsigned number of so many bytes.
    Uint(u64),
    /// A float of so many bytes.
    Float(u64),
    /// A bool.
    Bool,
}

/// Leads taken of one type.
const MAX_LEADS: usize = 16;

/// Structs and arrays in each other, deeper than it is worth to look.
const MAX_DEPTH: u32 = 16;

/// The leads of the types met so far.
#[derive(Default)]
pub(super) struct Leads(RefCell<FxHashMap<TypeId, Rc<[Lead]>>>);

impl Leads {
    /// Those of values of type `ty`.
    pub(super) fn of(&self, types: &Types<'_>, ty: TypeId) -> Rc<[Lead]> {
        if let Some(known) = self.0.borrow().get(&ty) {
            return Rc::clone(known);
        }
        let mut found = Vec::new();
        collect(types, ty, 0, MAX_DEPTH, &mut found);
        let leads: Rc<[Lead]> = found.into();
        self.0.borrow_mut().insert(ty, Rc::clone(&leads));
        leads
    }
}

fn collect(types: &Types<'_>, id: TypeId, at: u64, depth: u32, found: &mut Vec<Lead>) {
    let Some(depth) = depth.checked_sub(1).filter(|_| found.len() < MAX_LEADS) else { return };
    let ty = types.get(id);
    let to = match &ty.kind {
        Kind::Pointer(to) => To::Pointer(*to),
        Kind::Slice(of) => To::Slice(*of),
        Kind::String => To::String,
        Kind::Interface => To::Interface(id),
        Kind::EmptyInterface => To::Any,
        Kind::Map(_) => To::Map(id),
        Kind::Func => To::Func,
        Kind::Int => To::Int(ty.size),
        Kind::Uint => To::Uint(ty.size),
        Kind::Float => To::Float(ty.size),
        Kind::Bool => To::Bool,
        Kind::Array(of, len) => {
            let stride = types.get(*of).size;
            for i in 0..(*len).min(MAX_LEADS as u64) {
                collect(types, *of, at.saturating_add(i.saturating_mul(stride)), depth, found);
            }
            return;
        }
        Kind::Struct(fields) => {
            for field in fields {
                collect(types, field.ty, at.saturating_add(field.offset), depth, found);
            }
            return;
        }
        _ => return,
    };
    found.push(Lead { at, to });
}
