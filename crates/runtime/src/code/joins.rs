//! Where ways through a function meet.

use super::registers::Registers;

/// A jump backward leads here.
const LOOP: u32 = 1 << 31;

/// What registers hold where jumps of the function under way lead. Kept from one function to the
/// next, so as not to be made anew.
#[derive(Default)]
pub(super) struct Joins {
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
    /// Forgets the function before; the next has so many bytes of code.
    pub(super) fn begin(&mut self, len: usize) {
        for at in self.marked.drain(..) {
            self.marks[at as usize] = 0;
        }
        self.kept.clear();
        if self.marks.len() < len {
            self.marks.resize(len, 0);
        }
    }

    fn mark(&self, target: u32) -> Option<u32> {
        self.marks.get(target as usize).copied()
    }

    fn set(&mut self, at: u32, mark: u32) {
        let marks = &mut self.marks[at as usize];
        if *marks == 0 {
            self.marked.push(at);
        }
        *marks |= mark;
    }

    /// A jump backward leads to `target`, in bytes from the entry.
    pub(super) fn loops(&mut self, target: u32) {
        if self.mark(target).is_some() {
            self.set(target, LOOP);
        }
    }

    /// A jump from where `registers` hold this leads to `target`.
    pub(super) fn jump(&mut self, target: u32, registers: &Registers) {
        let Some(mark) = self.mark(target) else { return };
        match (mark & !LOOP).checked_sub(1) {
            _ if mark & LOOP != 0 => {}
            Some(kept) => self.kept[kept as usize].meet(registers),
            None => {
                self.kept.push(registers.clone());
                self.set(target, self.kept.len() as u32);
            }
        }
    }

    /// The ways that lead to `at`.
    pub(super) fn at(&self, at: u32) -> Ways<'_> {
        let mark = self.mark(at).unwrap_or(0);
        match (mark & !LOOP).checked_sub(1) {
            _ if mark & LOOP != 0 => Ways::Loop,
            Some(kept) => Ways::Kept(&self.kept[kept as usize]),
            None => Ways::None,
        }
    }
}
