//! Functions and global variables.

use super::types::TypeRef;
use crate::FileVa;

/// A package-level variable with a fixed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Global<'e> {
    /// Its name with the full path of its package: `example.com/shop/cart.open`.
    pub name: &'e str,
    /// Where it lies in the executable as linked.
    pub addr: FileVa,
    /// Its type.
    pub ty: TypeRef,
}

/// A function with code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'e> {
    /// Its name with the full path of its package: `example.com/shop/cart.(*Cart).Add`.
    pub name: &'e str,
    /// Its first instruction.
    pub low: FileVa,
    /// One past its last byte.
    pub high: FileVa,
    /// The line of its declaration, where its own entry states it: Go gives none to wrappers,
    /// and those that are also inlined state it in their abstract entry.
    pub decl_line: Option<u64>,
    /// Its entry's offset in `.debug_info`.
    pub(super) entry: u64,
}

impl Function<'_> {
    /// Whether an address lies in the function's code.
    pub fn contains(&self, pc: FileVa) -> bool {
        self.low <= pc && pc < self.high
    }
}

/// The function that contains `pc`, of functions sorted by address.
pub(super) fn find<'f, 'e>(functions: &'f [Function<'e>], pc: FileVa) -> Option<&'f Function<'e>> {
    let after = functions.partition_point(|f| f.low <= pc);
    let function = functions.get(after.checked_sub(1)?)?;
    function.contains(pc).then_some(function)
}
