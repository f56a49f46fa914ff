//! Where a function keeps what it has deferred, if its code calls that itself ("open-coded").

use super::Func;
use super::value::varint;

/// `abi.FUNCDATA_OpenCodedDeferInfo`.
const DEFERRED: u8 = 4;
/// Most that a function defers so (`maxOpenDefers` in cmd/compile/internal/ssagen/ssa.go).
const MAX_DEFERRED: u32 = 8;
/// Between the canonical frame address and what the offsets count from, `stkframe.varp`: the return address
/// and the caller's frame pointer.
const ABOVE: u32 = 16;

impl Func<'_, '_> {
    /// The slots of its frame in which closures may lie that it has deferred, in bytes below the frame's
    /// canonical address. What lies there is one if its code is that of the function that was called.
    ///
    /// Until Go 1.21 the data has the offset of a byte with a bit for each, how many there are, and the
    /// offset of each (`openCodedDefer` in runtime/panic.go); since 1.22 that byte's offset and the offset of
    /// the first, behind which the others lie (`initOpenCodedDefers`). Nothing in it tells which, so that the
    /// slots of both are given.
    pub fn deferred(&self) -> Vec<u32> {
        self.read_deferred().unwrap_or_default()
    }

    fn read_deferred(&self) -> Option<Vec<u32>> {
        let at = usize::try_from(self.funcdata(DEFERRED)?).ok()?;
        let mut data = self.table().gofunc.get(at..)?;
        let (_bits, second) = (varint(&mut data)?, varint(&mut data)?);
        let behind = (0..MAX_DEFERRED).map_while(|number| second.checked_sub(number * 8));
        let listed = (0..second.min(MAX_DEFERRED)).map_while(|_| varint(&mut data));
        let all = behind.chain(listed).filter(|offset| *offset > 0 && offset % 8 == 0);
        Some(all.filter_map(|offset| offset.checked_add(ABOVE)).collect())
    }
}
