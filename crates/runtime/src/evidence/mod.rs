//! Which layouts are right, decided by the target and not by a version number.
//!
//! A [`Source`] answers questions of the form «where in `runtime.g` is `sched.sp`». The binary's
//! own DWARF is one ([`DwarfSource`]); a generated table ([`table`]) for binaries without is another. The
//! structures asked for are declared in [`layouts`], by the names the Go runtime gives them, the
//! newest spelling first.

mod asked;
#[macro_use]
mod declare;
mod dwarf;
mod layouts;
mod missing;
mod operands;
pub mod table;

pub use asked::{CONSTANTS, SIZE_CLASSES, VARIABLES, asked};
pub use declare::Asked;
pub use dwarf::DwarfSource;
pub use layouts::*;
pub use missing::Missing;
pub use operands::operands;

use crate::{Image, OpenError};

/// Where the layouts of an executable are taken from.
pub(crate) enum Layouts<'a> {
    /// From its own DWARF; with why they are unproven, where the release is one that no table is of.
    Dwarf(DwarfSource<'a, 'a>, Option<String>),
    /// From a table.
    Table(Box<table::Choice>),
}

impl<'a> Layouts<'a> {
    /// The best there is.
    pub(crate) fn of(image: &'a Image<'a>) -> Result<Layouts<'a>, OpenError> {
        if let Some(debug) = &image.debug {
            return Ok(Layouts::Dwarf(DwarfSource(debug), table::untried(&image.build)));
        }
        let table = table::Choice::of(&image.build);
        let none = || OpenError::NoLayouts(image.build.version.clone());
        Ok(Layouts::Table(Box::new(table.ok_or_else(none)?)))
    }

    /// What tells them.
    pub(crate) fn source(&self) -> &dyn Source {
        match self {
            Layouts::Dwarf(source, _) => source,
            Layouts::Table(table) => table.as_ref(),
        }
    }

    /// The table, where there is no DWARF.
    pub(crate) fn table(&self) -> Option<&table::Choice> {
        match self {
            Layouts::Dwarf(..) => None,
            Layouts::Table(table) => Some(table),
        }
    }

    /// Why they may be wrong: mapscope was never tried on such a program.
    pub(crate) fn doubt(&self) -> Option<&str> {
        match self {
            Layouts::Dwarf(_, doubt) => doubt.as_deref(),
            Layouts::Table(table) => table.doubt.as_deref(),
        }
    }

    /// What tells them, and why it may be wrong: `DWARF of the executable (unproven: …)`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Layouts::Dwarf(source, Some(doubt)) => format!("{} (unproven: {doubt})", source.name()),
            _ => self.source().name(),
        }
    }
}

/// Where a member lies in its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the start of the structure.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// Something that knows how the Go runtime in this target lays out its structures.
pub trait Source {
    /// What it is, for the evidence part of a report: `DWARF of the executable`.
    fn name(&self) -> String;

    /// The size in bytes of the type with this (linker's) name.
    fn size(&self, type_name: &str) -> Option<u64>;

    /// Where the member at `path` (`sched.sp`) of the type with this name lies.
    fn place(&self, type_name: &str, path: &str) -> Option<Place>;

    /// The value of a Go constant, by its linker's name.
    fn constant(&self, name: &str) -> Option<i64>;
}
