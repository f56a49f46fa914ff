//! Where the runtime's variables are, whatever is left in the executable.

use std::cell::OnceCell;

use mapscope_binary::Pclntab;
use rustc_hash::FxHashMap;

use crate::evidence::table::{Choice, Layouts};
use crate::{Image, Variable};

/// What is used of an executable to find its variables and functions.
pub(crate) struct Symbols<'a> {
    image: &'a Image<'a>,
    pclntab: Option<Pclntab<'a>>,
    table: Option<Layouts>,
    by_code: OnceCell<FxHashMap<String, Variable>>,
}

impl<'a> Symbols<'a> {
    /// Those of `image`, whose functions are in `pclntab`, with the recipes of a table.
    pub(crate) fn new(
        image: &'a Image<'a>,
        pclntab: Option<Pclntab<'a>>,
        table: Option<&Choice>,
    ) -> Symbols<'a> {
        let table = table.map(|table| table.layouts.clone());
        Symbols { image, pclntab, table, by_code: OnceCell::new() }
    }

    /// The functions.
    pub(crate) fn pclntab(&self) -> Option<&Pclntab<'a>> {
        self.pclntab.as_ref()
    }

    /// The variable with this linker's name: by DWARF, by the symbol table, else by the code of
    /// the runtime that uses it.
    pub(crate) fn find(&self, name: &str) -> Option<Variable> {
        let found = self.image.variable(name);
        found.or_else(|| self.by_code.get_or_init(|| self.search()).get(name).copied())
    }

    fn search(&self) -> FxHashMap<String, Variable> {
        match (&self.table, &self.pclntab) {
            (Some(table), Some(functions)) => table.find_variables(self.image.elf, functions),
            _ => FxHashMap::default(),
        }
    }
}
