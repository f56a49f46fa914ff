//! `runtime.moduledata`: where the linker put what the runtime needs.

use std::ops::Range;

use mapscope_target::{Addr, Fault, Memory, MemoryExt};

use crate::evidence::Moduledata;

/// One module: the executable itself, or a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Instructions.
    pub text: Range<Addr>,
    /// Globals, in the order of the linker: initialised without and with pointers, then zeroed
    /// with and without pointers.
    pub data: [Range<Addr>; 4],
    /// Type descriptors and their names.
    pub types: Range<Addr>,
    /// Of `types`, the contiguous descriptors (since 1.27).
    pub descriptors: Option<Range<Addr>>,
    /// `[]int32` of offsets of descriptors (until 1.26): first and count.
    pub typelinks: Option<(Addr, u64)>,
    /// What funcdata offsets count from.
    pub gofunc: Addr,
}

/// More modules than any program links: a longer chain is damage.
const MAX_MODULES: usize = 1024;

impl Module {
    /// Every module, beginning with `runtime.firstmoduledata` at `first`.
    pub fn all(
        memory: &dyn Memory,
        layout: &Moduledata,
        first: Addr,
    ) -> Result<Vec<Module>, Fault> {
        let mut modules = Vec::new();
        let mut at = first;
        while !at.is_null() && modules.len() < MAX_MODULES {
            modules.push(Module::read(memory, layout, at)?);
            at = memory.addr(Addr(at.0.wrapping_add(layout.next)))?;
        }
        Ok(modules)
    }

    pub(crate) fn read(memory: &dyn Memory, l: &Moduledata, at: Addr) -> Result<Module, Fault> {
        let word = |offset: u64| memory.addr(Addr(at.0.wrapping_add(offset)));
        let range = |from: u64, to: u64| Ok(word(from)?..word(to)?);
        let types = range(l.types, l.etypes)?;
        let descriptors = match l.typedesclen {
            Some(offset) => {
                let end = types.start.checked_add(word(offset)?.0).unwrap_or(types.end);
                Some(types.start..end.min(types.end))
            }
            None => None,
        };
        let typelinks = match l.typelinks {
            Some(offset) => Some((word(offset)?, word(offset + 8)?.0)),
            None => None,
        };
        Ok(Module {
            text: range(l.text, l.etext)?,
            data: [
                range(l.noptrdata, l.enoptrdata)?,
                range(l.data, l.edata)?,
                range(l.bss, l.ebss)?,
                range(l.noptrbss, l.enoptrbss)?,
            ],
            types,
            descriptors,
            typelinks,
            gofunc: word(l.gofunc)?,
        })
    }

    /// Whether its ranges end after they begin.
    pub(crate) fn is_ordered(&self) -> bool {
        let mut ranges = self.data.iter().chain([&self.text, &self.types]);
        ranges.all(|range| range.start <= range.end)
    }
}
