//! Which layouts are right, decided by the target and not by a version number.
//!
//! A [`Source`] answers questions of the form «where in `runtime.g` is `sched.sp`». The binary's
//! own DWARF is one ([`dwarf`]); a generated table for binaries without DWARF is another. The
//! structures asked for are declared in [`layouts`], by the names the Go runtime gives them, the
//! newest spelling first.

mod dwarf;
mod layouts;
mod missing;

pub use dwarf::DwarfSource;
pub use layouts::*;
pub use missing::Missing;

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
