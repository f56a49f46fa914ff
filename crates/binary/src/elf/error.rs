//! Why a file is no executable that can be read here.

/// What is wrong with an executable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The file does not begin as an ELF file.
    #[error("not an ELF file: it looks like {looks_like}")]
    NotElf {
        /// What it looks like instead, with an article.
        looks_like: &'static str,
    },
    /// A 32-bit ELF file.
    #[error("a 32-bit executable: only 64-bit ones are supported")]
    ThirtyTwoBit,
    /// A big-endian ELF file.
    #[error("a big-endian executable: only little-endian ones are supported")]
    BigEndian,
    /// Built for another processor.
    #[error("built for {name} (ELF machine {number}): only x86-64 is supported")]
    Machine {
        /// The processor's usual name.
        name: &'static str,
        /// `e_machine` as the file states it.
        number: u16,
    },
    /// An ELF file of another kind: a core, an object file.
    #[error("{what}, not an executable")]
    NotExecutable {
        /// What the file is, with an article.
        what: &'static str,
    },
    /// The headers promise bytes that the file does not have.
    #[error("truncated: {what} ends at {end:#x}, the file at {file_len:#x}")]
    Truncated {
        /// What is cut off.
        what: String,
        /// Where it should end in the file, in bytes.
        end: u64,
        /// The length of the file, in bytes.
        file_len: u64,
    },
    /// Bytes that are not part of what was kept of the file.
    #[error("{what} is not in what was recorded of the file")]
    NotRecorded {
        /// What is not there.
        what: String,
    },
    /// A header that makes no sense.
    #[error("malformed {what}: {why}")]
    Malformed {
        /// The header.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A compressed section that states more bytes than its stored bytes can hold.
    #[error("section {section} states {stated} bytes from {stored} stored ones: refused")]
    Inflated {
        /// The section's name.
        section: String,
        /// The size it states, in bytes.
        stated: u64,
        /// Its size in the file, in bytes.
        stored: u64,
    },
    /// A compressed section whose bytes do not decompress.
    #[error("section {section} does not decompress: {why}")]
    Compression {
        /// The section's name.
        section: String,
        /// What the decompressor says.
        why: String,
    },
}
