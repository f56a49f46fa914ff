//! Why goroutines wait, in the target's own words.

use mapscope_target::{Addr, Fault, Memory, MemoryExt};

/// More reasons than any release has, and more bytes than any has in one.
const MAX_REASONS: u64 = 256;
const MAX_LEN: u64 = 256;
/// The size of a Go string's header, in bytes.
const STRING: u64 = 16;

/// `runtime.waitReasonStrings`: their numbers shift with every release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitReasons(Vec<String>);

impl WaitReasons {
    /// Those of a table.
    pub(crate) fn new(reasons: &[String]) -> WaitReasons {
        WaitReasons(reasons.to_vec())
    }

    /// Reads the array of strings at `addr`, which takes `size` bytes.
    ///
    /// # Errors
    /// The array or one of its strings cannot be read.
    pub fn read(memory: &dyn Memory, addr: Addr, size: u64) -> Result<WaitReasons, Fault> {
        let count = (size / STRING).min(MAX_REASONS);
        let reasons = (0..count).map(|index| {
            let at = addr.index(index, STRING).unwrap_or(Addr::NULL);
            let text = memory.addr(at)?;
            let len = memory.u64(at.checked_add(8).unwrap_or(Addr::NULL))?;
            // The first, for none, is empty, and has no bytes to read.
            let bytes = if len == 0 { Vec::new() } else { memory.bytes(text, len, MAX_LEN)? };
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        });
        reasons.collect::<Result<_, _>>().map(WaitReasons)
    }

    /// The reason of that number; `None` where there is none, or it is empty.
    pub fn get(&self, number: u8) -> Option<&str> {
        self.0.get(usize::from(number)).map(String::as_str).filter(|text| !text.is_empty())
    }
}
