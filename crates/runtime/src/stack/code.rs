//! The code of a process: the executable's pclntab at the place it was loaded.

use mapscope_binary::{FileVa, Func, Pclntab};
use mapscope_target::Addr;

/// The pclntab together with the load bias.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a, 'd> {
    table: &'a Pclntab<'d>,
    bias: u64,
}

impl<'a, 'd> Code<'a, 'd> {
    /// The code that `table` describes, loaded `bias` bytes above where it was linked to lie.
    pub fn new(table: &'a Pclntab<'d>, bias: u64) -> Code<'a, 'd> {
        Code { table, bias }
    }

    /// The Go function whose code `pc` lies in.
    pub fn find(&self, pc: Addr) -> Option<Func<'a, 'd>> {
        self.table.find(self.file_va(pc)?)
    }

    /// The address in the executable of an address in the process.
    pub fn file_va(&self, pc: Addr) -> Option<FileVa> {
        pc.0.checked_sub(self.bias).map(FileVa)
    }
}
