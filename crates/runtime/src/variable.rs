//! Global variables of the program and its runtime, by the linker's name.

use mapscope_binary::FileVa;

use crate::Image;

/// A global variable in the executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Where it is linked to lie.
    pub at: FileVa,
    /// Its size in bytes; 0 where that is not known.
    pub size: u64,
}

impl Image<'_> {
    /// The global variable with this linker's name (`runtime.allgs`): by DWARF, else by the symbol
    /// table, which `-ldflags=-w` leaves in.
    pub fn variable(&self, name: &str) -> Option<Variable> {
        self.by_debug(name).or_else(|| self.by_symbol(name))
    }

    fn by_debug(&self, name: &str) -> Option<Variable> {
        let debug = self.debug.as_ref()?;
        let global = debug.global(name)?;
        let size = debug.size_of(global.ty).ok().flatten().unwrap_or(0);
        Some(Variable { at: global.addr, size })
    }

    fn by_symbol(&self, name: &str) -> Option<Variable> {
        let symbol = self.elf.symbol(name)?;
        Some(Variable { at: symbol.addr, size: symbol.size })
    }
}
