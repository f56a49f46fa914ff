//! What to look at in a value of a type: the places from which a map can be reached.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::types::{Kind, Special, TypeId, Types};

/// What stands at a place, and how to go on from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A map.
    Map(TypeId),
    /// A pointer to a value of this type.
    Pointer(TypeId),
    /// A slice of this type.
    Slice(TypeId),
    /// A channel of this type.
    Chan(TypeId),
    /// A func value.
    Func,
    /// An interface; whether it is an empty one.
    Interface(bool),
    /// An array: its element type and length.
    Array(TypeId, u64),
    /// A `sync.Map`.
    SyncMap(TypeId),
    /// An array that a `sync.Pool` keeps, one element a P; its length is at this offset.
    Pool(TypeId, u64),
}

/// One place in a value.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Bytes from the start of the value.
    pub(super) offset: u64,
    /// What is there.
    pub(super) step: Step,
    /// How Go names it from the value: `.Sessions`, `.inner.m`, or nothing for the value itself.
    path: Rc<str>,
}

/// Every place in a value of one type from which a map can be reached.
pub(super) struct Plan {
    /// Size of the value in bytes.
    pub(super) size: u64,
    /// The places, by rising offset.
    pub(super) items: Vec<Item>,
}

/// Plans made so far.
#[derive(Default)]
pub(super) struct Plans(RefCell<FxHashMap<TypeId, Rc<Plan>>>);

/// Fields of fields are unfolded so deep: deeper nesting than anybody writes is damage.
const MAX_NESTING: u32 = 64;

/// Fields unfolded of one type: more than anybody writes, too.
const MAX_UNFOLDED: u32 = 1 << 18;

impl Plans {
    /// The plan for `ty`.
    pub(super) fn get(&self, types: &Types<'_>, ty: TypeId) -> Rc<Plan> {
        if let Some(plan) = self.0.borrow().get(&ty) {
            return Rc::clone(plan);
        }
        let mut plan = Plan { size: types.get(ty).size, items: Vec::new() };
        let mut fold = Fold { types, left: MAX_UNFOLDED, items: &mut plan.items };
        fold.unfold(ty, 0, String::new(), MAX_NESTING);
        let plan = Rc::new(plan);
        self.0.borrow_mut().insert(ty, Rc::clone(&plan));
        plan
    }

    /// How Go names item number `item` of a value of type `ty`.
    pub(super) fn item_path(&self, ty: TypeId, item: u32) -> Rc<str> {
        let plans = self.0.borrow();
        let item = plans.get(&ty).and_then(|plan| plan.items.get(item as usize));
        item.map_or_else(|| "".into(), |item| Rc::clone(&item.path))
    }
}

/// A type being unfolded.
struct Fold<'u, 't> {
    types: &'u Types<'t>,
    left: u32,
    items: &'u mut Vec<Item>,
}

impl Fold<'_, '_> {
    fn unfold(&mut self, ty: TypeId, offset: u64, path: String, nesting: u32) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        if nesting == 0 || !self.types.reaches_map(ty) {
            return;
        }
        let t = self.types.get(ty);
        let step = match &t.kind {
            Kind::Map(_) => Step::Map(ty),
            Kind::Pointer(to) => Step::Pointer(*to),
            Kind::Slice(of) => Step::Slice(*of),
            Kind::Chan(of) => Step::Chan(*of),
            Kind::Func => Step::Func,
            Kind::EmptyInterface => Step::Interface(true),
            Kind::Interface => Step::Interface(false),
            Kind::Array(of, 1) => return self.unfold(*of, offset, path + "[0]", nesting - 1),
            Kind::Array(of, len) => Step::Array(*of, *len),
            Kind::Struct(fields) => {
                if let Some(special) = self.types.special(ty) {
                    unfold_special(ty, &special, offset, &path, self.items);
                }
                for field in fields {
                    let path = format!("{path}.{}", field.name);
                    let offset = offset.saturating_add(field.offset);
                    self.unfold(field.ty, offset, path, nesting - 1);
                }
                return;
            }
            _ => return,
        };
        self.items.push(Item { offset, step, path: path.into() });
    }
}

fn unfold_special(ty: TypeId, special: &Special, offset: u64, path: &str, items: &mut Vec<Item>) {
    let mut push = |at: u64, step| {
        items.push(Item { offset: offset.saturating_add(at), step, path: path.into() });
    };
    match special {
        Special::Pointer { offset, to } => push(*offset, Step::Pointer(*to)),
        Special::SyncMap => push(0, Step::SyncMap(ty)),
        Special::Eface => push(0, Step::Interface(true)),
        Special::Pool { arrays, local } => {
            for ((pointer, len), name) in arrays.iter().zip([".local", ".victim"]) {
                let step = Step::Pool(*local, len.saturating_sub(*pointer));
                let path = format!("{path}{name}").into();
                items.push(Item { offset: offset.saturating_add(*pointer), step, path });
            }
        }
    }
}
