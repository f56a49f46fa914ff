//! Which bytes of the process are where in the core.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::header::Load;
use crate::Access;

/// A range of the process's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where in the core its bytes begin.
    pub(super) offset: usize,
    /// How many bytes the core has.
    pub(super) present: u64,
    /// How many its headers promise.
    pub(super) promised: u64,
    pub(super) access: Access,
}

/// The segments by rising address, without overlaps.
pub(super) struct Segments {
    list: Vec<Segment>,
    /// The one that was found last: reads come in clusters.
    last: AtomicUsize,
}

impl Segments {
    /// Of the loads of a core file of `len` bytes. Where two overlap, which no core should have,
    /// the one that begins first has the bytes.
    pub(super) fn new(loads: &[Load], len: usize) -> Segments {
        let mut list: Vec<Segment> = loads.iter().filter_map(|load| segment(load, len)).collect();
        list.sort_by_key(|segment| segment.start);
        let mut end = 0;
        list.retain_mut(|segment| {
            let keep = segment.cut_before(end);
            end = end.max(segment.end);
            keep
        });
        Segments { list, last: AtomicUsize::new(0) }
    }

    /// The segment that has `addr`.
    #[inline]
    pub(super) fn find(&self, addr: u64) -> Option<&Segment> {
        let last = self.list.get(self.last.load(Ordering::Relaxed));
        match last {
            Some(segment) if segment.start <= addr && addr < segment.end => last,
            _ => self.search(addr),
        }
    }

    fn search(&self, addr: u64) -> Option<&Segment> {
        let index = self.list.partition_point(|s| s.start <= addr).checked_sub(1)?;
        let segment = self.list.get(index).filter(|s| addr < s.end)?;
        self.last.store(index, Ordering::Relaxed);
        Some(segment)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.list.iter()
    }
}

impl Segment {
    /// Gives up what lies below `addr`; false if nothing is left.
    fn cut_before(&mut self, addr: u64) -> bool {
        let cut = addr.saturating_sub(self.start);
        self.start = self.start.max(addr);
        self.offset = self.offset.saturating_add(cut as usize);
        self.present = self.present.saturating_sub(cut);
        self.promised = self.promised.saturating_sub(cut);
        self.start < self.end
    }
}

fn segment(load: &Load, len: usize) -> Option<Segment> {
    let end = load.addr.checked_add(load.mem_size.max(load.file_size))?;
    let room = (len as u64).saturating_sub(load.offset);
    (load.addr < end).then_some(Segment {
        start: load.addr,
        end,
        offset: usize::try_from(load.offset).unwrap_or(usize::MAX),
        present: load.file_size.min(room),
        promised: load.file_size,
        access: load.access,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(addr: u64, size: u64, offset: u64) -> Load {
        let access = Access::default();
        Load { offset, addr, file_size: size, mem_size: size, access }
    }

    #[test]
    fn overlaps_and_disorder() {
        let loads =
            [load(300, 100, 1000), load(100, 250, 0), load(120, 10, 5), load(u64::MAX, 9, 0)];
        let segments = Segments::new(&loads, 1080);
        assert_eq!(segments.iter().count(), 2);
        assert_eq!(segments.find(125).unwrap().offset, 0);
        let tail = segments.find(399).unwrap();
        assert_eq!((tail.start, tail.offset, tail.present, tail.promised), (350, 1050, 30, 50));
        assert!(segments.find(400).is_none());
        assert!(segments.find(99).is_none());
    }
}
