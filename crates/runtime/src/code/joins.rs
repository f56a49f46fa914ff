//! Where ways through a function meet.

use super::registers::Registers;

/// A jump backward leads here.
const LOOP: u32 = 1 << 31;

/// What registers hold where jumps of the function under way lead. Kept from one function to the
/// next, so as not to be made anew.
#[derive(Default)]
pub(super) struct Joins {
    entry: u64,
    /// Of each byte of the code: whether jumps lead there, and the number of what is kept for it,
    /// from 1.
    marks: Vec<u32>,
    kept: Vec<Registers>,
    /// Which bytes are marked.
    marked: Vec<u32>,
}

/// What is known of the ways that lead to an instruction, but for the one from the one before.
pub(super) enum Ways<'j> {
    /// There are none.
    None,
    /// One comes from behind: from where nobody has been yet.
    Loop,
    /// What registers hold on all of them.
    Kept(&'j Registers),
}

impl Joins {
    /// Forgets the function before; the next has its code at `entry`, so many bytes.
    pub(super) fn begin(&mut self, entry: u64, len: usize) {
        for at in self.marked.drain(..) {
            self.marks[at as usize] = 0;
        }
        self.kept.clear();
        self.entry = entry;
        if self.marks.len() < len {
            self.marks.resize(len, 0);
        }
    }

    fn mark(&mut self, target: u64) -> Option<(usize, u32)> {
        let at = usize::try_from(target.checked_sub(self.entry)?).ok()?;
        Some((at, *self.marks.get(at)?))
    }

    fn set(&mut self, at: usize, mark: u32) {
        if self.marks[at] == 0 {
            self.marked.push(at as u32);
        }
        self.marks[at] |= mark;
    }

    /// A jump backward leads to `target`.
    pub(super) fn loops(&mut self, target: u64) {
        if let Some((at, _)) = self.mark(target) {
            self.set(at, LOOP);
        }
    }

    /// A jump from where `registers` hold this leads to `target`.
    pub(super) fn jump(&mut self, target: u64, registers: &Registers) {
        let Some((at, mark)) = self.mark(target) else { return };
        match (mark & !LOOP).checked_sub(1) {
            _ if mark & LOOP != 0 => {}
            Some(kept) => self.kept[kept as usize].meet(registers),
            None => {
                self.kept.push(registers.clone());
                self.set(at, self.kept.len() as u32);
            }
        }
    }

    /// The ways that lead to `ip`.
    pub(super) fn at(&self, ip: u64) -> Ways<'_> {
        let mark = self.marks.get(ip.wrapping_sub(self.entry) as usize).copied().unwrap_or(0);
        match (mark & !LOOP).checked_sub(1) {
            _ if mark & LOOP != 0 => Ways::Loop,
            Some(kept) => Ways::Kept(&self.kept[kept as usize]),
            None => Ways::None,
        }
    }
}
