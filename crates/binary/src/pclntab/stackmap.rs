//! Which words of a frame hold pointers that are alive: what the garbage collector itself goes by
//! (`stkframe.getStackMap` in `runtime/stkframe.go`, before 1.20 `getStackMap` in
//! `runtime/traceback.go`; the same in Go 1.19 … 1.27).

use super::Func;
use crate::FileVa;
use crate::bytes::le_u32;

/// `abi.PCDATA_StackMapIndex`, `abi.FUNCDATA_ArgsPointerMaps`, `abi.FUNCDATA_LocalsPointerMaps`.
const MAP_INDEX: u32 = 1;
const ARGUMENTS: u8 = 0;
const LOCALS: u8 = 1;

/// One bit a word, the lowest address first.
#[derive(Clone, Copy, Debug, Default)]
pub struct PointerWords<'d> {
    bytes: &'d [u8],
    /// How many words.
    pub count: u32,
}

impl PointerWords<'_> {
    /// Whether the word with this number holds a pointer that is alive.
    pub fn is_alive(&self, word: u64) -> bool {
        let byte = usize::try_from(word / 8).ok().and_then(|at| self.bytes.get(at));
        word < u64::from(self.count) && byte.is_some_and(|byte| byte >> (word % 8) & 1 != 0)
    }
}

/// The pointers of one frame at one place in its function.
#[derive(Clone, Copy, Debug, Default)]
pub struct LivePointers<'d> {
    /// Of its local variables: the last word is the one below the saved frame pointer.
    pub locals: PointerWords<'d>,
    /// Of its arguments, from the canonical frame address on: those in registers have their spill
    /// slots there.
    pub arguments: PointerWords<'d>,
}

impl<'d> Func<'_, 'd> {
    /// Which words of its frame hold pointers that are alive at `pc`, which must be a place where
    /// the collector may look: a call. For a return address pass the byte before it. `None` where
    /// nothing is known.
    pub fn live_pointers(&self, pc: FileVa) -> Option<LivePointers<'d>> {
        // −1 stands for the function's entry, as in the runtime.
        let index = self.pcdata(MAP_INDEX, pc).unwrap_or(-1).max(0);
        let index = usize::try_from(index).ok()?;
        let (locals, arguments) = (self.words(LOCALS, index), self.words(ARGUMENTS, index));
        if locals.is_none() && arguments.is_none() {
            return None;
        }
        let (locals, arguments) = (locals.unwrap_or_default(), arguments.unwrap_or_default());
        Some(LivePointers { locals, arguments })
    }

    /// `runtime.stackmap`: how many maps, how many bits in each, and the maps.
    fn words(&self, kind: u8, index: usize) -> Option<PointerWords<'d>> {
        let at = usize::try_from(self.funcdata(kind)?).ok()?;
        let data = self.table().gofunc.get(at..)?;
        let (maps, count) = (le_u32(data, 0)?, le_u32(data, 4)?);
        if index >= usize::try_from(maps).ok()? {
            return None;
        }
        let size = usize::try_from(count.div_ceil(8)).ok()?;
        let start = index.checked_mul(size)?.checked_add(8)?;
        let bytes = data.get(start..start.checked_add(size)?)?;
        Some(PointerWords { bytes, count })
    }
}
