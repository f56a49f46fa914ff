//! Where the runtime's variables are, whatever is left in the executable.

use std::cell::OnceCell;
use std::collections::HashMap;

use mapscope_binary::{FileVa, Pclntab};
use rustc_hash::FxHashMap;

use crate::evidence::operands;
use crate::evidence::table::{Choice, Recipe};
use crate::{Image, Variable};

/// What is used of an executable that names its variables only by the code that uses them.
pub(crate) struct Symbols<'a> {
    image: &'a Image<'a>,
    pclntab: Option<Pclntab<'a>>,
    recipes: HashMap<String, (u64, Vec<Recipe>)>,
    by_code: OnceCell<FxHashMap<String, Variable>>,
}

impl<'a> Symbols<'a> {
    /// Those of `image`, whose functions are in `pclntab`, with the recipes of a table.
    pub(crate) fn new(
        image: &'a Image<'a>,
        pclntab: Option<Pclntab<'a>>,
        table: Option<&Choice>,
    ) -> Symbols<'a> {
        let recipes = table.map(|table| table.layouts.variables.clone()).unwrap_or_default();
        Symbols { image, pclntab, recipes, by_code: OnceCell::new() }
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

    /// Looks into the functions of all recipes, in one go over the table of functions.
    fn search(&self) -> FxHashMap<String, Variable> {
        let Some(table) = &self.pclntab else { return FxHashMap::default() };
        let mut wanted: FxHashMap<&str, Vec<(&str, &Recipe)>> = FxHashMap::default();
        for (variable, (_, recipes)) in &self.recipes {
            for recipe in recipes {
                wanted.entry(&recipe.function).or_default().push((variable, recipe));
            }
        }
        let mut said: FxHashMap<&str, Vec<FileVa>> = FxHashMap::default();
        for func in table.funcs() {
            for (variable, recipe) in wanted.get(func.name()).into_iter().flatten() {
                let operand = operands(self.image.elf, &func).nth(recipe.operand as usize);
                let at = operand.and_then(|va| va.0.checked_sub(recipe.inside)).map(FileVa);
                said.entry(variable).or_default().extend(at.filter(|at| self.is_data(*at)));
            }
        }
        let most = said.into_iter().filter_map(|(name, places)| {
            let size = self.recipes.get(name)?.0;
            Some((name.to_owned(), Variable { at: majority(&places)?, size }))
        });
        most.collect()
    }

    /// Whether a variable can lie there: in what the program may write to.
    fn is_data(&self, at: FileVa) -> bool {
        let mut segments = self.image.elf.segments().iter().filter(|s| s.write);
        segments.any(|s| at.offset_from(s.addr).is_some_and(|inside| inside < s.size))
    }
}

/// What more than half of the witnesses say.
fn majority(places: &[FileVa]) -> Option<FileVa> {
    let votes = |place: &FileVa| places.iter().filter(|other| *other == place).count();
    places.iter().find(|place| votes(place) * 2 > places.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_witness_may_err_but_not_half_of_them() {
        let vas = |numbers: &[u64]| numbers.iter().map(|n| FileVa(*n)).collect::<Vec<_>>();
        assert_eq!(majority(&vas(&[1, 2, 2])), Some(FileVa(2)));
        assert_eq!(majority(&vas(&[1, 2])), None);
        assert_eq!(majority(&[]), None);
    }
}
