//! Functions found in the table: by address, by name, one after the other.

use super::{ENTRY, Func, Pclntab};
use crate::FileVa;
use crate::bytes::le_u32;

impl<'d> Pclntab<'d> {
    /// How many functions the table has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the table has no function at all.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Every function, by ascending address; one whose record is damaged is left out.
    pub fn funcs(&self) -> impl Iterator<Item = Func<'_, 'd>> {
        (0..self.count).filter_map(|index| self.func(index))
    }

    /// The function whose code `pc` lies in. Binary search over the function table.
    pub fn find(&self, pc: FileVa) -> Option<Func<'_, 'd>> {
        let offset = u32::try_from(pc.offset_from(self.text)?).ok()?;
        // The entry after the last one holds the end of the code.
        if offset >= self.entry_offset(self.count)? {
            return None;
        }
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry_offset(middle)? <= offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.func(low.checked_sub(1)?)
    }

    /// The first function of exactly that name, as `go tool nm` spells it. Looks at them all.
    pub fn named(&self, name: &str) -> Option<Func<'_, 'd>> {
        self.funcs().find(|func| func.name() == name)
    }

    /// The end of the code that the table describes.
    pub fn end(&self) -> Option<FileVa> {
        self.text.checked_add(u64::from(self.entry_offset(self.count)?))
    }

    fn entry_offset(&self, index: usize) -> Option<u32> {
        le_u32(self.funcs, index.checked_mul(ENTRY)?)
    }

    fn func(&self, index: usize) -> Option<Func<'_, 'd>> {
        let at = index.checked_mul(ENTRY)?;
        let entry = self.entry_offset(index)?;
        let end = self.entry_offset(index.checked_add(1)?)?;
        let record = le_u32(self.funcs, at.checked_add(4)?)?;
        Func::read(self, entry, end, record as usize)
    }
}
