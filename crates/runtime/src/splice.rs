//! The executable's own pages, where a core has left them out.

use mapscope_binary::Elf;
use mapscope_target::{Core, FileBytes, FileSegment, Target};

use crate::load::bias;

/// Serves what `core` lacks of the executable's read-only pages from the executable itself, whose
/// bytes `file` gives. Kernels leave such pages out unless told otherwise, and gcore does not even
/// say that they were there; the executable's own headers do.
pub fn splice(core: &mut Core, elf: &Elf<'_>, file: &dyn Fn() -> FileBytes) {
    if let Some(stated) = core.exe_path() {
        core.splice(&stated, file());
    }
    let Ok(bias) = bias(elf, &core.auxv()) else { return };
    let segments = elf.segments().iter().map(|segment| FileSegment {
        addr: segment.addr.0,
        offset: segment.offset.0,
        size: segment.file_size,
        writable: segment.write,
    });
    core.splice_at(bias, &segments.collect::<Vec<_>>(), file());
}
