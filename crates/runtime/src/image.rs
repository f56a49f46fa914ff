//! What the executable alone tells: parsed before any process is stopped.

use mapscope_binary::dwarf::Debug;
use mapscope_binary::{BuildInfo, BuildInfoError, Elf, ElfError, Pclntab, PclntabError};

/// An executable, parsed.
pub struct Image<'e> {
    /// The file.
    pub elf: &'e Elf<'e>,
    /// What `go version -m` prints.
    pub build: BuildInfo,
    /// Its functions and lines, if they could be found.
    pub pclntab: Result<Pclntab<'e>, PclntabError>,
    /// Its DWARF, if it has any.
    pub debug: Option<Debug<'e>>,
}

/// Why an executable is none that mapscope can look into.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No Go build info, or one that is too old.
    #[error(transparent)]
    BuildInfo(#[from] BuildInfoError),
    /// A debug section cannot be read.
    #[error("its debug information cannot be read: {0}")]
    Debug(#[from] ElfError),
}

impl<'e> Image<'e> {
    /// Parses what `elf` holds.
    ///
    /// # Errors
    ///
    /// It is no Go program, or its debug sections do not decompress. A missing pclntab is no
    /// error: it shows in [`Image::pclntab`].
    pub fn parse(elf: &'e Elf<'e>) -> Result<Image<'e>, ImageError> {
        Ok(Image {
            elf,
            build: BuildInfo::find(elf)?,
            pclntab: Pclntab::find_in(elf),
            debug: Debug::open(elf)?,
        })
    }
}
