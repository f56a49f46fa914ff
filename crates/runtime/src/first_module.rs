//! Finding `runtime.firstmoduledata` where no symbol names it.

use mapscope_binary::{Elf, FileVa, Pclntab, Segment};
use mapscope_target::{Addr, Memory, MemoryExt};

use crate::evidence::Moduledata;
use crate::module::Module;

/// Bytes looked through at once.
const CHUNK: u64 = 1 << 20;

/// Where it lies: in a section of its own (since 1.26), else where the data has a pointer to the
/// pclntab, which is its first word (`runtime/symtab.go`), and what follows has its shape.
pub(crate) fn find(
    elf: &Elf<'_>,
    memory: &dyn Memory,
    layout: &Moduledata,
    bias: u64,
) -> Option<Addr> {
    let here = |va: FileVa| Addr(va.0.wrapping_add(bias));
    if let Some(section) = elf.section(".go.module") {
        return Some(here(section.addr));
    }
    let table = here(pclntab(elf)?);
    let writable = elf.segments().iter().filter(|s| s.write);
    let mut found = writable.flat_map(|segment| pointers(memory, segment, bias, table));
    found.find(|at| is_module(memory, layout, elf, *at, bias))
}

/// Where the pclntab is linked to lie.
fn pclntab(elf: &Elf<'_>) -> Option<FileVa> {
    let bytes = Pclntab::locate(elf)?;
    elf.segments().iter().find_map(|segment| {
        let stored = elf.bytes_from(segment.addr)?;
        let inside = (bytes.as_ptr() as usize).checked_sub(stored.as_ptr() as usize)?;
        (inside < stored.len()).then(|| segment.addr.checked_add(inside as u64))?
    })
}

/// The words of a segment that hold `wanted`.
fn pointers(memory: &dyn Memory, segment: &Segment, bias: u64, wanted: Addr) -> Vec<Addr> {
    let start = Addr(segment.addr.0.wrapping_add(bias));
    let mut found = Vec::new();
    for done in (0..segment.file_size).step_by(CHUNK as usize) {
        let Some(from) = start.checked_add(done) else { break };
        let len = CHUNK.min(segment.file_size - done);
        let Ok(bytes) = memory.bytes(from, len, CHUNK) else { continue };
        for (i, word) in bytes.as_chunks::<8>().0.iter().enumerate() {
            if u64::from_le_bytes(*word) == wanted.0 {
                found.extend(from.index(i as u64, 8));
            }
        }
    }
    found
}

/// Whether what lies there says of the executable what is known of it.
fn is_module(memory: &dyn Memory, layout: &Moduledata, elf: &Elf<'_>, at: Addr, bias: u64) -> bool {
    let Ok(module) = Module::read(memory, layout, at) else { return false };
    let text = FileVa(module.text.start.0.wrapping_sub(bias));
    let in_code = elf
        .segments()
        .iter()
        .any(|s| s.execute && text.offset_from(s.addr).is_some_and(|inside| inside < s.size));
    in_code && module.is_ordered()
}
