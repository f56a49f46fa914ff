//! Code that leads to a variable, in every build alike.

use std::collections::BTreeSet;

use mapscope_binary::Func;
use mapscope_runtime::Image;
use mapscope_runtime::evidence::operands;
use mapscope_runtime::evidence::table::Recipe;

/// How many are kept of each variable: the reader believes what most of them say.
const KEPT: usize = 5;

/// Functions with more operands than this change too easily.
const MAX_OPERAND: u32 = 40;

/// The recipes for the variable that hold in all of `images` that have it, the simplest first.
pub(super) fn of(name: &str, images: &[Image<'_>]) -> Vec<Recipe> {
    let mut common: Option<BTreeSet<Recipe>> = None;
    for image in images {
        let Some(found) = candidates(name, image) else { continue };
        common = Some(match common {
            Some(known) => known.intersection(&found).cloned().collect(),
            None => found,
        });
    }
    let mut recipes: Vec<Recipe> = common.unwrap_or_default().into_iter().collect();
    recipes.sort_by_key(|r| (r.operand, r.inside, r.function.clone()));
    let mut functions = BTreeSet::new();
    recipes.retain(|r| functions.insert(r.function.clone()));
    recipes.truncate(KEPT);
    recipes
}

/// Those that hold in one; `None` where it lacks the variable.
fn candidates(name: &str, image: &Image<'_>) -> Option<BTreeSet<Recipe>> {
    let variable = image.variable(name)?;
    let table = image.pclntab.as_ref().ok()?;
    let mut found = BTreeSet::new();
    for func in table.funcs().filter(of_runtime) {
        for (operand, va) in (0..MAX_OPERAND).zip(operands(image.elf, &func)) {
            let inside = va.offset_from(variable.at).filter(|at| *at < variable.size.max(1));
            if let Some(inside) = inside {
                found.insert(Recipe { function: func.name().to_owned(), operand, inside });
            }
        }
    }
    Some(found)
}

/// The code of the program itself may be anything.
fn of_runtime(func: &Func<'_, '_>) -> bool {
    let packages = ["runtime.", "internal/runtime/", "sync.", "internal/sync."];
    packages.iter().any(|package| func.name().starts_with(package))
}
