//! Which pages of a process there are (`Documentation/admin-guide/mm/pagemap.rst`).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::{Mapping, procfs};

/// Bytes in a page of amd64.
pub(super) const PAGE: u64 = 4096;

/// In memory, swapped out, of a file or shared.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;

/// Entries read at a time.
const BATCH: usize = 1 << 14;

/// `/proc/PID/pagemap`.
pub(super) struct Pagemap(File);

/// The pages of one mapping.
#[derive(Default)]
pub(super) struct Pages {
    /// Addresses of what the process has touched.
    pub(super) touched: Vec<Range<u64>>,
    /// Some page of them is the process's own: not, or no more, that of a file.
    pub(super) own: bool,
}

impl Pagemap {
    pub(super) fn open(pid: u32) -> io::Result<Pagemap> {
        File::open(procfs::path(pid, "pagemap")).map(Pagemap)
    }

    /// The pages of a mapping, neighbours joined.
    pub(super) fn pages(&self, mapping: &Mapping) -> io::Result<Pages> {
        let mut pages = Pages::default();
        let mut entries = vec![0; BATCH * 8];
        let mut at = mapping.start.0;
        while at < mapping.end.0 {
            let wanted = ((mapping.end.0 - at) / PAGE).min(BATCH as u64) as usize * 8;
            let read = match entries.get_mut(..wanted) {
                Some(to) if !to.is_empty() => self.0.read_at(to, at / PAGE * 8)? / 8,
                _ => 0,
            };
            if read == 0 {
                break;
            }
            for entry in entries.as_chunks::<8>().0.iter().take(read) {
                pages.add(at, u64::from_le_bytes(*entry));
                at += PAGE;
            }
        }
        Ok(pages)
    }
}

impl Pages {
    fn add(&mut self, at: u64, entry: u64) {
        if entry & (PRESENT | SWAPPED) == 0 {
            return;
        }
        self.own |= entry & OF_FILE == 0;
        match self.touched.last_mut() {
            Some(last) if last.end == at => last.end = at + PAGE,
            _ => self.touched.push(at..at + PAGE),
        }
    }
}
