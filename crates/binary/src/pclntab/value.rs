//! Tables that map ranges of program counters to values (`runtime.pcvalue`, `runtime.step`).

use crate::FileVa;

/// The steps of one value table: each a value and the first program counter it no longer holds
/// for. Ends where the table does, or where it is damaged.
#[derive(Clone, Debug)]
pub struct Values<'d> {
    bytes: &'d [u8],
    value: i32,
    pc: FileVa,
    first: bool,
}

impl<'d> Values<'d> {
    /// The table at `offset`; offset 0 stands for no table.
    pub(super) fn new(tables: &'d [u8], offset: u32, entry: FileVa) -> Values<'d> {
        let bytes = match offset {
            0 => &[],
            _ => tables.get(offset as usize..).unwrap_or_default(),
        };
        Values { bytes, value: -1, pc: entry, first: true }
    }

    fn varint(&mut self) -> Option<u32> {
        varint(&mut self.bytes)
    }
}

/// Takes a number off the front, as `runtime.readvarint` does.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

impl Iterator for Values<'_> {
    type Item = (i32, FileVa);

    fn next(&mut self) -> Option<(i32, FileVa)> {
        let delta = self.varint()?;
        if delta == 0 && !self.first {
            self.bytes = &[];
            return None;
        }
        self.first = false;
        self.value =
            self.value.wrapping_add((delta & 1).wrapping_neg() as i32 ^ (delta >> 1) as i32);
        // A step that goes nowhere is no linker's work; to end here bounds the walk.
        let step = self.varint().filter(|&step| step != 0)?;
        self.pc = self.pc.checked_add(u64::from(step))?;
        Some((self.value, self.pc))
    }
}

/// The value that holds at `pc`.
pub(super) fn value_at(mut values: Values<'_>, pc: FileVa) -> Option<i32> {
    if pc < values.pc {
        return None;
    }
    values.find(|&(_, until)| pc < until).map(|(value, _)| value)
}
