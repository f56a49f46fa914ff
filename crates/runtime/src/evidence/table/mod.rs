//! Generated tables: what DWARF would say, for executables that were linked without it.
//!
//! `cargo xtask layouts` makes one file a release in `layouts/` from real builds with DWARF. What
//! is in them is [`asked`](super::asked) for by the structures declared in
//! [`layouts`](super::layouts). A table is chosen by the build info, which no stripping removes.

mod choose;
mod parse;
mod recipe;

use std::collections::HashMap;

pub use choose::{Choice, untried};
pub use parse::{Table, TableError};
pub use recipe::Recipe;

use super::{Place, Source};

/// The layouts of one release, for one processor and one set of experiments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layouts {
    /// The experiments of the builds they were made from, in the order of the alphabet.
    pub experiments: Vec<Vec<String>>,
    /// Structures: size, and members by path.
    pub structs: HashMap<String, (u64, HashMap<String, Place>)>,
    /// Constants by the linker's name.
    pub constants: HashMap<String, i64>,
    /// The runtime's table of size classes.
    pub classes: Vec<u16>,
    /// `runtime.waitReasonStrings`.
    pub reasons: Vec<String>,
    /// Variables of the runtime: their size, and which code leads to them.
    pub variables: HashMap<String, (u64, Vec<Recipe>)>,
}

impl Source for Choice {
    fn name(&self) -> String {
        self.to_string()
    }

    fn size(&self, type_name: &str) -> Option<u64> {
        self.layouts.structs.get(type_name).map(|(size, _)| *size)
    }

    fn place(&self, type_name: &str, path: &str) -> Option<Place> {
        self.layouts.structs.get(type_name)?.1.get(path).copied()
    }

    fn constant(&self, name: &str) -> Option<i64> {
        self.layouts.constants.get(name).copied()
    }
}
