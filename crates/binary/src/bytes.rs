//! Checked reads from little-endian tables.

/// The most bytes that a name or path may have: far beyond any real one.
const MAX_TEXT: usize = 64 << 10;

/// The `u32` at `at`, or `None` where the table ends before it does.
pub(crate) fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// The `u64` at `at`, or `None` where the table ends before it does.
pub(crate) fn le_u64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

/// The NUL-terminated string at `at`, up to the first byte that is not UTF-8.
pub(crate) fn text(bytes: &[u8], at: usize) -> Option<&str> {
    let tail = bytes.get(at..)?;
    let tail = tail.get(..MAX_TEXT).unwrap_or(tail);
    let text = tail.get(..memchr::memchr(0, tail)?)?;
    match std::str::from_utf8(text) {
        Ok(text) => Some(text),
        Err(e) => std::str::from_utf8(text.get(..e.valid_up_to())?).ok(),
    }
}
