//! What the linker laid down of types, a page at a time.
//!
//! To read a type takes many small reads that lie together, and each asks a target anew where its
//! bytes are. None of them change: the linker puts them where the program does not write, or may not
//! write once they are relocated.

use std::cell::OnceCell;
use std::ops::Range;

use mapscope_target::{Addr, Fault, Memory};

use crate::module::Module;

/// How much is read at once, in bytes: what any target, and a recording, has whole or not at all.
const PAGE: u64 = 4096;

/// Longer parts are not kept, in bytes: no linker makes one.
const MAX_PART: u64 = 256 << 20;

/// Parts of so many modules are kept: of the executable and of some plugins.
const MAX_PARTS: usize = 16;

/// A target's memory, of which the types of its modules are kept once they were read.
pub(super) struct Linked<'a> {
    memory: &'a dyn Memory,
    parts: Vec<Part>,
}

/// The types of one module.
struct Part {
    range: Range<Addr>,
    /// From the page of the first byte on.
    pages: Box<[OnceCell<Page>]>,
}

/// What a part has of a page, if it could be read.
type Page = Option<Box<[u8]>>;

impl<'a> Linked<'a> {
    pub(super) fn new(memory: &'a dyn Memory, modules: &[Module]) -> Linked<'a> {
        let parts = modules.iter().take(MAX_PARTS).filter_map(|module| Part::of(&module.types));
        Linked { memory, parts: parts.collect() }
    }

    /// Copies what lies at `addr`, if it is of a part and could be read.
    fn copy(&self, addr: Addr, buf: &mut [u8]) -> Option<()> {
        let part = self.parts.iter().find(|part| part.range.contains(&addr))?;
        let (mut at, mut left) = (addr, buf);
        while !left.is_empty() {
            let from = part.from(self.memory, at)?;
            let len = from.len().min(left.len());
            let (now, later) = left.split_at_mut(len);
            now.copy_from_slice(from.get(..len)?);
            (at, left) = (at.checked_add(len as u64)?, later);
        }
        Some(())
    }
}

impl Memory for Linked<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        match self.copy(addr, buf) {
            Some(()) => Ok(()),
            // What cannot be read says so itself.
            None => self.memory.read(addr, buf),
        }
    }
}

impl Part {
    fn of(range: &Range<Addr>) -> Option<Part> {
        let len = range.end.offset_from(range.start).filter(|len| *len <= MAX_PART)?;
        let pages = (range.start.0 % PAGE + len).div_ceil(PAGE);
        Some(Part { range: range.clone(), pages: (0..pages).map(|_| OnceCell::new()).collect() })
    }

    /// The bytes from `at` on, up to the end of its page or of the part.
    fn from(&self, memory: &dyn Memory, at: Addr) -> Option<&[u8]> {
        let number = at.0.checked_sub(self.range.start.0 / PAGE * PAGE)? / PAGE;
        let page = self.pages.get(usize::try_from(number).ok()?)?;
        let start = (at.0 / PAGE * PAGE).max(self.range.start.0);
        let bytes = page.get_or_init(|| self.read(memory, Addr(start))).as_ref()?;
        bytes.get(usize::try_from(at.0 - start).ok()?..).filter(|bytes| !bytes.is_empty())
    }

    /// What there is from `start` on, up to the end of its page or of the part.
    fn read(&self, memory: &dyn Memory, start: Addr) -> Option<Box<[u8]>> {
        let end = (start.0 / PAGE * PAGE).checked_add(PAGE)?.min(self.range.end.0);
        let mut bytes = vec![0; usize::try_from(end.checked_sub(start.0)?).ok()?];
        memory.read(start, &mut bytes).ok()?;
        Some(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use mapscope_target::Why;

    use super::*;

    /// Bytes that tell their own address, from 0x1000 to 0x4000 but for the page at 0x2000, and how
    /// many reads there were.
    #[derive(Default)]
    struct Counted(Cell<usize>);

    impl Memory for Counted {
        fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
            self.0.set(self.0.get() + 1);
            for (i, byte) in (addr.0..).zip(buf) {
                if !(0x1000..0x2000).contains(&i) && !(0x3000..0x4000).contains(&i) {
                    return Err(Fault::new(Addr(i), Why::Unmapped));
                }
                *byte = (i % 251) as u8;
            }
            Ok(())
        }
    }

    fn linked(memory: &Counted) -> Linked<'_> {
        let parts = Part::of(&(Addr(0x1100)..Addr(0x3800))).into_iter().collect();
        Linked { memory, parts }
    }

    fn read(memory: &Linked<'_>, at: u64, len: usize) -> Result<Vec<u8>, Addr> {
        let mut bytes = vec![0; len];
        memory.read(Addr(at), &mut bytes).map_err(|fault| fault.addr)?;
        Ok(bytes)
    }

    #[test]
    fn a_page_is_read_once() {
        let counted = Counted::default();
        let memory = linked(&counted);
        for at in 0x1100..0x1200 {
            let own: Vec<u8> = (at..at + 8).map(|i| (i % 251) as u8).collect();
            assert_eq!(read(&memory, at, 8), Ok(own));
        }
        assert_eq!(counted.0.get(), 1);
        // Beside the part each read is one of the target's.
        assert!(read(&memory, 0x10f8, 16).is_ok() && read(&memory, 0x3900, 8).is_ok());
        assert_eq!(counted.0.get(), 3);
    }

    #[test]
    fn what_cannot_be_read_names_its_first_byte() {
        let counted = Counted::default();
        let memory = linked(&counted);
        assert_eq!(read(&memory, 0x1ff8, 16), Err(Addr(0x2000)));
        assert_eq!(read(&memory, 0x2100, 1), Err(Addr(0x2100)));
        assert!(read(&memory, 0x3000, 0x800).is_ok(), "the rest is there");
        assert_eq!(read(&memory, 0x37fc, 8).unwrap().len(), 8, "over the end of the part");
    }

    #[test]
    fn ranges_that_no_linker_makes_are_not_kept() {
        assert!(Part::of(&(Addr(0)..Addr(u64::MAX))).is_none());
        assert!(Part::of(&(Addr(9)..Addr(8))).is_none());
        assert!(Part::of(&(Addr(9)..Addr(9))).is_some_and(
            |part| part.pages.is_empty() || part.from(&Counted::default(), Addr(9)).is_none()
        ));
    }
}
