//! Pages that a core lacks, served from the files they were mapped from.

/// The bytes of a file, however they are held: a `Vec`, a mapping.
pub type FileBytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// Files whose pages stand in for pages the core lacks.
#[derive(Default)]
pub(super) struct Splices {
    files: Vec<FileBytes>,
    /// By rising start. Of overlapping ones the one that starts last is asked, of those that start
    /// together the longest: a mapping ends with a page, which the segment that it is for may not.
    spans: Vec<Span>,
}

/// A range of the process's addresses whose bytes are those of a file.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where in the file `start` lies.
    pub(super) offset: u64,
    /// Set by [`Splices::add`].
    pub(super) file: usize,
}

impl Splices {
    /// Adds a file for these ranges.
    pub(super) fn add(&mut self, bytes: FileBytes, spans: impl Iterator<Item = Span>) {
        let file = self.files.len();
        self.files.push(bytes);
        self.spans.extend(spans.map(|span| Span { file, ..span }));
        self.spans.sort_by_key(|span| (span.start, span.end));
    }

    /// What there is in one piece from `addr` on, at least one byte.
    pub(super) fn get(&self, addr: u64) -> Option<&[u8]> {
        let index = self.spans.partition_point(|span| span.start <= addr).checked_sub(1)?;
        let span = self.spans.get(index).filter(|span| addr < span.end)?;
        let bytes: &[u8] = (*self.files.get(span.file)?).as_ref().as_ref();
        let from = usize::try_from(span.offset.checked_add(addr - span.start)?).ok()?;
        let bytes = bytes.get(from..)?;
        let len = usize::try_from(span.end - addr).unwrap_or(usize::MAX).min(bytes.len());
        bytes.get(..len).filter(|bytes| !bytes.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_the_last_page_is_there() {
        let mut splices = Splices::default();
        let file = || -> FileBytes { Box::new(vec![7; 64]) };
        splices.add(file(), [Span { start: 32, end: 64, offset: 0, file: 0 }].into_iter());
        splices.add(file(), [Span { start: 32, end: 50, offset: 0, file: 0 }].into_iter());
        assert_eq!(splices.get(40).map(<[u8]>::len), Some(24));
        assert_eq!(splices.get(50).map(<[u8]>::len), Some(14));
        assert_eq!(splices.get(64), None);
    }
}
