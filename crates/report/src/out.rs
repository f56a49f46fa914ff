//! A buffer in front of an output.

use std::io::{self, Write};

/// How many bytes are gathered before they are passed on: as many as a processor's second-level
/// cache still has when they are copied.
const FULL: usize = 256 << 10;
/// How many are gathered the first time, so that whoever reads along sees something early; each
/// time twice as many, up to [`FULL`].
const FIRST: usize = 32 << 10;
/// What is set aside beyond that for the row that fills the buffer.
const ROW: usize = 16 << 10;

/// Bytes on their way to `to`. Renderers append to `buf` without a call a cell.
pub(crate) struct Out<W> {
    pub(crate) buf: Vec<u8>,
    /// At how many bytes it is full.
    full: usize,
    to: W,
}

impl<W: Write> Out<W> {
    pub(crate) fn new(to: W) -> Out<W> {
        Out { buf: Vec::with_capacity(FULL + ROW), full: FIRST, to }
    }

    /// Writes the buffer where it is full.
    pub(crate) fn spill(&mut self) -> io::Result<()> {
        if self.buf.len() < self.full {
            return Ok(());
        }
        self.full = (self.full * 2).min(FULL);
        self.write()
    }

    /// Writes the buffer and flushes the output.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        self.to.flush()
    }

    fn write(&mut self) -> io::Result<()> {
        self.to.write_all(&self.buf)?;
        self.buf.clear();
        Ok(())
    }
}
