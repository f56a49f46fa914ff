//! The form of the tables: lines of words, as `cargo xtask layouts` writes them.
//!
//! ```text
//! release go1.26.6
//! layout amd64 default
//! layout amd64 norandomizedheapbase64
//! struct runtime.g 456
//!   goid 152 8
//! constant internal/abi.TFlagDirectIface 32
//! classes 0 8 16 24
//! reason
//! reason GC assist marking
//! variable runtime.allgs 24
//!   runtime.allgadd 2 0
//! ```
//!
//! Several `layout` lines in a row share what follows. A member is path, offset and size; a recipe
//! of a variable is function, number of the operand, and offset in the variable.

use super::{Layouts, Place, Recipe};

/// The tables of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The release they were made from, such as `go1.26.6`.
    pub release: String,
    /// One for each processor and set of experiments that differ.
    pub layouts: Vec<(String, Layouts)>,
}

/// A table that is not of the form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the table makes no sense")]
pub struct TableError {
    /// Its number, from 1.
    pub line: usize,
}

/// What an indented line belongs to.
enum Open {
    Nothing,
    Struct(String),
    Variable(String),
}

impl Table {
    /// The release in the first line that states one, without reading the rest.
    pub fn release(text: &str) -> Option<&str> {
        text.lines().find_map(|line| line.strip_prefix("release "))
    }

    /// Reads a whole table.
    ///
    /// # Errors
    ///
    /// A line that is not of the form described above.
    pub fn parse(text: &str) -> Result<Table, TableError> {
        let mut table = Table { release: String::new(), layouts: Vec::new() };
        let (mut open, mut heads) = (Open::Nothing, true);
        for (number, line) in text.lines().enumerate() {
            let read = table.line(line, &mut open, &mut heads);
            read.ok_or(TableError { line: number + 1 })?;
        }
        Ok(table)
    }

    fn line(&mut self, line: &str, open: &mut Open, heads: &mut bool) -> Option<()> {
        if line.is_empty() || line.starts_with('#') {
            return Some(());
        }
        if let Some(inner) = line.strip_prefix("  ") {
            return self.inner(inner, open);
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "layout" {
            self.head(rest, *heads)?;
            *heads = false;
            return Some(());
        }
        *heads = true;
        if word == "release" {
            self.release = rest.to_owned();
            return Some(());
        }
        *open = self.layouts.last_mut()?.1.outer(word, rest)?;
        Some(())
    }

    /// `amd64 default`: another set of experiments, of what follows or of what has just begun.
    fn head(&mut self, rest: &str, begins: bool) -> Option<()> {
        let (arch, experiments) = rest.split_once(' ')?;
        let set = match experiments {
            "default" => Vec::new(),
            list => list.split(',').map(str::to_owned).collect(),
        };
        if begins {
            self.layouts.push((arch.to_owned(), Layouts::default()));
        }
        self.layouts.last_mut()?.1.experiments.push(set);
        Some(())
    }

    fn inner(&mut self, line: &str, open: &Open) -> Option<()> {
        let layouts = &mut self.layouts.last_mut()?.1;
        // Names of functions may have spaces, numbers have none.
        let (rest, last) = line.rsplit_once(' ')?;
        let (name, first) = rest.rsplit_once(' ')?;
        match open {
            Open::Struct(ty) => {
                let place = Place { offset: first.parse().ok()?, size: last.parse().ok()? };
                layouts.structs.get_mut(ty)?.1.insert(name.to_owned(), place);
            }
            Open::Variable(variable) => layouts.variables.get_mut(variable)?.1.push(Recipe {
                function: name.to_owned(),
                operand: first.parse().ok()?,
                inside: last.parse().ok()?,
            }),
            Open::Nothing => return None,
        }
        Some(())
    }
}

impl Layouts {
    fn outer(&mut self, word: &str, rest: &str) -> Option<Open> {
        match word {
            "struct" => {
                let (name, size) = rest.rsplit_once(' ')?;
                let entry = (size.parse().ok()?, Default::default());
                self.structs.insert(name.to_owned(), entry);
                return Some(Open::Struct(name.to_owned()));
            }
            "variable" => {
                let (name, size) = rest.rsplit_once(' ')?;
                self.variables.insert(name.to_owned(), (size.parse().ok()?, Vec::new()));
                return Some(Open::Variable(name.to_owned()));
            }
            "constant" => {
                let (name, value) = rest.rsplit_once(' ')?;
                self.constants.insert(name.to_owned(), value.parse().ok()?);
            }
            "classes" => {
                let sizes = rest.split(' ').map(|size| size.parse().ok());
                self.classes = sizes.collect::<Option<_>>()?;
            }
            "reason" => self.reasons.push(rest.to_owned()),
            _ => return None,
        }
        Some(Open::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::table::choose::TABLES;

    #[test]
    fn every_committed_table_is_of_the_form() {
        for text in TABLES {
            let table = Table::parse(text).unwrap_or_else(|e| panic!("{e}"));
            assert!(!table.layouts.is_empty(), "{}", table.release);
        }
    }

    #[test]
    fn nonsense_is_named_by_its_line() {
        let wrong = ["struct", "layout amd64", "  goid 1 2", "variable x", "release a\nfoo 1 2"];
        for (text, line) in wrong.into_iter().zip([1, 1, 1, 1, 2]) {
            assert_eq!(Table::parse(text), Err(TableError { line }), "{text}");
        }
    }
}
