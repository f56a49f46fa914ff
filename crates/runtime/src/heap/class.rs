//! Size classes: how large an object becomes when it is allocated.

use mapscope_target::{Addr, Fault, Memory, MemoryExt};

/// The runtime's size classes, as its own table in the target states them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SizeClasses(Vec<u16>);

impl SizeClasses {
    /// Those of a table.
    pub(crate) fn new(sizes: Vec<u16>) -> SizeClasses {
        SizeClasses(sizes)
    }

    /// The table of `len` sizes (`runtime.class_to_size`; since 1.26
    /// `internal/runtime/gc.SizeClassToSize`) at `at`.
    pub(crate) fn read(memory: &dyn Memory, at: Addr, len: u64) -> Result<SizeClasses, Fault> {
        let bytes = memory.bytes(at, len.saturating_mul(2), 4096)?;
        let sizes = bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b));
        Ok(SizeClasses(sizes.collect()))
    }

    /// The size of objects of this class; `None` where the table has none.
    pub(super) fn of(&self, class: u8) -> Option<u64> {
        self.0.get(usize::from(class)).map(|size| u64::from(*size))
    }

    /// The number of the class whose objects are of exactly this size; there are 68 classes.
    pub(super) fn number(&self, size: u64) -> Option<u8> {
        let number = self.0.iter().position(|class| u64::from(*class) == size)?;
        u8::try_from(number).ok().filter(|number| (1..128).contains(number))
    }

    /// The largest class; 0 without a table.
    pub(super) fn largest(&self) -> u64 {
        self.0.iter().copied().max().map_or(0, u64::from)
    }

    /// The bytes an object of `size` takes: its class, or whole pages above the largest class.
    /// Without a table, `size` itself.
    pub fn rounded(&self, size: u64, page_size: u64) -> u64 {
        match self.0.iter().find(|class| u64::from(**class) >= size) {
            Some(class) => u64::from(*class),
            None if self.0.is_empty() => size,
            None => size.div_ceil(page_size).saturating_mul(page_size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SizeClasses;

    #[test]
    fn small_objects_take_their_class_and_large_ones_whole_pages() {
        let classes = SizeClasses(vec![0, 8, 16, 24, 32, 48]);
        assert_eq!(classes.rounded(17, 8192), 24);
        assert_eq!(classes.rounded(48, 8192), 48);
        assert_eq!(classes.rounded(49, 8192), 8192);
        assert_eq!(SizeClasses::default().rounded(17, 8192), 17);
    }
}
