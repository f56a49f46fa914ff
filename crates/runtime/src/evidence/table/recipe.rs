//! Variables by the code that uses them.

use mapscope_binary::{Elf, FileVa, Pclntab};
use rustc_hash::FxHashMap;

use super::Layouts;
use crate::Variable;
use crate::evidence::operands;

/// Where code says that a variable is: «the third operand relative to the instruction pointer, in
/// this function».
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipe {
    /// The function's name in the pclntab.
    pub function: String,
    /// How many such operands come before it in the function.
    pub operand: u32,
    /// How far into the variable it points, in bytes.
    pub inside: u64,
}

/// More witnesses for one variable are not asked: a function has few namesakes.
const MAX_WITNESSES: usize = 64;

impl Layouts {
    /// Where the variables are, by what the functions of `table` say, in one go over them.
    pub fn find_variables(
        &self,
        elf: &Elf<'_>,
        table: &Pclntab<'_>,
    ) -> FxHashMap<String, Variable> {
        let mut wanted: FxHashMap<&str, Vec<(&str, &Recipe)>> = FxHashMap::default();
        for (variable, (_, recipes)) in &self.variables {
            for recipe in recipes {
                wanted.entry(&recipe.function).or_default().push((variable, recipe));
            }
        }
        let mut said: FxHashMap<&str, Vec<FileVa>> = FxHashMap::default();
        for func in table.funcs() {
            for (variable, recipe) in wanted.get(func.name()).into_iter().flatten() {
                let operand = operands(elf, &func).nth(recipe.operand as usize);
                let at = operand.and_then(|va| va.0.checked_sub(recipe.inside)).map(FileVa);
                let witnesses = said.entry(variable).or_default();
                if witnesses.len() < MAX_WITNESSES {
                    witnesses.extend(at.filter(|at| is_data(elf, *at)));
                }
            }
        }
        let most = said.into_iter().filter_map(|(name, places)| {
            let size = self.variables.get(name)?.0;
            Some((name.to_owned(), Variable { at: majority(&places)?, size }))
        });
        most.collect()
    }
}

/// Whether a variable can lie there: in what the program may write to.
fn is_data(elf: &Elf<'_>, at: FileVa) -> bool {
    let mut segments = elf.segments().iter().filter(|s| s.write);
    segments.any(|s| at.offset_from(s.addr).is_some_and(|inside| inside < s.size))
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
