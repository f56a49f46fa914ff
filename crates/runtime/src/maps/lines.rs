//! Arrays of buckets or groups, read in large pieces.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault, Memory, Why};

/// Bytes read at once: large enough that the cost of a read does not show, small enough for the
/// processor's cache.
const PIECE: u64 = 64 << 10;

/// Calls `visit` with the number and the bytes of each of `count` blocks of `size` bytes from `at`
/// on, without a copy where the target has them mapped.
pub(crate) fn each(
    memory: &dyn Memory,
    at: Addr,
    size: u64,
    count: u64,
    mut visit: impl FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Fault> {
    let overflow = Fault::new(at, Why::Overflow);
    let at_once = (PIECE / size.max(1)).max(1);
    let mut copy = Vec::new();
    let mut done = 0;
    while done < count {
        let n = at_once.min(count - done);
        let from = at.index(done, size).ok_or(overflow)?;
        let len = usize::try_from(n.checked_mul(size).ok_or(overflow)?).map_err(|_| overflow)?;
        let piece = match memory.borrow(from, len) {
            Some(piece) => piece,
            None => {
                copy.resize(len, 0);
                memory.read(from, &mut copy)?;
                &copy
            }
        };
        for (i, block) in piece.chunks_exact(size.max(1) as usize).enumerate() {
            if visit(done + i as u64, block).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        done += n;
    }
    Ok(ControlFlow::Continue(()))
}

/// Larger than any header or table of any release, in bytes.
const MAX_HEADER: usize = 64;

/// The first `size` bytes of the structure at `at`, zeros behind them: one map more costs no
/// allocation.
pub(super) fn header(memory: &dyn Memory, at: Addr, size: u64) -> Result<[u8; MAX_HEADER], Fault> {
    let mut bytes = [0; MAX_HEADER];
    memory.read(at, &mut bytes[..(size as usize).min(MAX_HEADER)])?;
    Ok(bytes)
}

/// The eight bytes at `offset` of a header or block, or zero where it is shorter: callers slice
/// what they read themselves, by sizes that evidence gave.
pub(super) fn word(bytes: &[u8], offset: u64) -> u64 {
    let from = offset as usize;
    let bytes = from.checked_add(8).and_then(|to| bytes.get(from..to));
    bytes.and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// The byte at `offset`, or zero where there is none.
pub(super) fn byte(bytes: &[u8], offset: u64) -> u8 {
    bytes.get(offset as usize).copied().unwrap_or(0)
}
