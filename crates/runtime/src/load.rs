//! Where the executable was loaded.

use mapscope_binary::Elf;

use crate::OpenError;

/// `AT_ENTRY` of the auxiliary vector (elf.h): where the program itself begins, whatever loads it.
const AT_ENTRY: u64 = 9;

/// What must be added to an address of the executable to get one of the process, whose auxiliary
/// vector is `auxv`.
///
/// # Errors
/// The vector has no `AT_ENTRY`, and the executable may be anywhere.
pub fn bias(elf: &Elf<'_>, auxv: &[(u64, u64)]) -> Result<u64, OpenError> {
    let entry = auxv.iter().find(|(kind, _)| *kind == AT_ENTRY).map(|(_, value)| *value);
    match entry {
        Some(entry) => Ok(entry.wrapping_sub(elf.entry().0)),
        None if elf.is_position_independent() => Err(OpenError::NoLoadAddress),
        None => Ok(0),
    }
}
