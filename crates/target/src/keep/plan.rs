//! What of a process goes into its core, and where in the file.

use std::io;
use std::ops::Range;

use super::pages::{PAGE, Pagemap};
use super::write::head_size;
use crate::Mapping;

/// A process's memory, laid out.
pub(super) struct Plan {
    pub(super) regions: Vec<Region>,
    /// Where the notes begin, in bytes from the beginning of the file.
    pub(super) notes_at: u64,
}

/// One mapping.
pub(super) struct Region {
    pub(super) mapping: Mapping,
    /// How much of it the core has, in bytes from its start. What was never touched is a hole in the
    /// file, which reads as the zeros that the process would have found.
    pub(super) kept: u64,
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// The addresses that are copied.
    pub(super) copied: Vec<Range<u64>>,
}

impl Plan {
    /// Chooses what to copy, much as the kernel does (`vma_dump_size` of fs/coredump.c): what is the
    /// process's own, and of mapped files that it has not changed the first page, which has the
    /// build id.
    pub(super) fn of(pid: u32, mappings: Vec<Mapping>) -> io::Result<Plan> {
        let pagemap = Pagemap::open(pid)?;
        let regions = mappings.into_iter().map(|mapping| Region::of(&pagemap, mapping));
        Ok(Plan { regions: regions.collect::<io::Result<_>>()?, notes_at: 0 })
    }

    pub(super) fn mappings(&self) -> Vec<&Mapping> {
        self.regions.iter().map(|region| &region.mapping).collect()
    }

    /// Gives each region its place behind the headers and `notes` bytes of notes.
    pub(super) fn lay_out(&mut self, notes: u64) {
        self.notes_at = head_size(self.regions.len());
        let mut offset = (self.notes_at + notes).next_multiple_of(PAGE);
        for region in &mut self.regions {
            region.offset = offset;
            offset += region.kept;
        }
    }

    /// How long the file is.
    pub(super) fn len(&self) -> u64 {
        self.regions.last().map_or(0, |last| last.offset + last.kept)
    }

    /// How much is copied, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.regions.iter().flat_map(|region| &region.copied).map(|r| r.end - r.start).sum()
    }
}

impl Region {
    fn of(pagemap: &Pagemap, mapping: Mapping) -> io::Result<Region> {
        let (start, end) = (mapping.start.0, mapping.end.0);
        let pages = match mapping.access.read {
            true => pagemap.pages(&mapping)?,
            // What the process itself cannot read was reserved, and not used.
            false => Default::default(),
        };
        let (kept, copied) = match mapping.path {
            None => (end, pages.touched),
            // What it has not changed it may not even have read: all of it is in the file only.
            Some(_) if pages.own => (end, std::iter::once(start..end).collect()),
            Some(_) if mapping.offset == 0 && mapping.access.read => {
                let first = end.min(start.saturating_add(PAGE));
                (first, std::iter::once(start..first).collect())
            }
            Some(_) => (start, Vec::new()),
        };
        let kept = if mapping.access.read { kept - start } else { 0 };
        Ok(Region { mapping, kept, offset: 0, copied })
    }

    /// Leaves out what begins at `at`: it could not be read.
    pub(super) fn cut(&mut self, at: u64) {
        self.kept = at.saturating_sub(self.mapping.start.0).min(self.kept);
        self.copied.retain(|range| range.start < at);
        if let Some(last) = self.copied.last_mut() {
            last.end = last.end.min(at);
        }
    }

    /// Where in the file the byte at `at` lies.
    pub(super) fn place(&self, at: u64) -> u64 {
        self.offset + (at - self.mapping.start.0)
    }
}
