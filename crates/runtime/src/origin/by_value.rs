//! Receivers that are passed by value: which word of one a register has.

use super::naming::{By, FieldOf, Named, Namer, What};
use crate::code::{ARGUMENTS, value_receiver};
use crate::types::{Kind, TypeId, Types};

/// Types in types deeper than this are not looked into.
const MAX_NESTING: u8 = 16;

/// A word of a value that is passed in registers.
struct Word {
    path: String,
    offset: u64,
    ty: TypeId,
}

impl Namer<'_, '_, '_> {
    /// The part of its receiver that a method was called with in the register of that number, where the
    /// receiver is passed by value.
    pub(super) fn of_value(&self, number: u8) -> Option<Named> {
        let func = self.go.pclntab()?.find(self.entry)?;
        let holder = value_receiver(&self.go.types, func.name())?;
        let word = words(&self.go.types, holder)?.into_iter().nth(usize::from(number))??;
        let name = &self.go.types.get(holder).name;
        let path = word.path.trim_start_matches('.').to_owned();
        let field = (!path.is_empty()).then_some(FieldOf { holder, path, offset: word.offset });
        let text = format!("({name}){}", word.path);
        Some(Named { text, what: What::Value(word.ty), field, by: By::Types })
    }
}

/// The words of a value of type `ty` in the order of the registers they are passed in, of strings and the like
/// the first; `None` where it is passed on the stack, as a whole (cmd/compile/abi-internal.md, "Function call
/// argument and result passing").
fn words(types: &Types<'_>, ty: TypeId) -> Option<Vec<Option<Word>>> {
    let mut all = Vec::new();
    assign(types, Word { path: String::new(), offset: 0, ty }, &mut all, MAX_NESTING)?;
    (all.len() <= ARGUMENTS.len()).then_some(all)
}

fn assign(types: &Types<'_>, value: Word, all: &mut Vec<Option<Word>>, depth: u8) -> Option<()> {
    let depth = depth.checked_sub(1).filter(|_| all.len() <= ARGUMENTS.len())?;
    let ty = types.get(value.ty);
    let count = match &ty.kind {
        Kind::Struct(fields) => {
            return fields.iter().try_for_each(|field| {
                let path = format!("{}.{}", value.path, field.name);
                let offset = value.offset.checked_add(field.offset)?;
                assign(types, Word { path, offset, ty: field.ty }, all, depth)
            });
        }
        Kind::Array(_, 0) => 0,
        Kind::Array(of, 1) => {
            let path = format!("{}[0]", value.path);
            return assign(types, Word { path, ty: *of, ..value }, all, depth);
        }
        // Longer arrays are passed on the stack, and so is all that they are in.
        Kind::Array(..) | Kind::Unknown(_) => return None,
        // In registers of their own.
        Kind::Float | Kind::Complex => 0,
        Kind::String | Kind::Interface | Kind::EmptyInterface => 2,
        Kind::Slice(_) => 3,
        _ => 1,
    };
    all.extend((count > 0).then_some(Some(value)));
    all.extend((1..count).map(|_| None));
    Some(())
}
