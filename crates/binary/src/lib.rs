//! What a Go executable says of itself: ELF, build info, pclntab and DWARF.
//!
//! Bytes in, facts out: nothing here opens a file or reads a process. Every byte is taken as
//! hostile: a file that lies is an error with its place, never a panic and never an allocation
//! larger than the file can justify.

mod buildinfo;
mod bytes;
pub mod dwarf;
mod elf;
mod pclntab;
mod va;

pub use buildinfo::{BuildInfo, BuildInfoError, Module, Prerelease, Release, Setting};
pub use elf::{Elf, ElfError, Section, Segment, Symbol, SymbolKind};
pub use pclntab::{CodeFrame, Func, LivePointers, Pclntab, PclntabError, PointerWords, Values};
pub use va::{FileOff, FileVa};
