//! Small pieces of a live process that are read without what lies around them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::remote::Remote;

/// The size of a line in bytes: two of a processor's cache lines.
pub(super) const LINE: usize = 128;
/// Lines read by one system call (`IOV_MAX`).
const AT_ONCE: usize = 1024;

/// Kept lines: for what lies far apart a few bytes at a time, where whole pages would be a copy of
/// half the process.
#[derive(Default)]
pub(super) struct Lines {
    /// Of each line, by its number in the address space, its place in `bytes`.
    slots: HashMap<u64, u32>,
    /// The numbers, by their places.
    numbers: Vec<u64>,
    bytes: Vec<u8>,
}

impl Lines {
    /// Bytes that keeping them takes.
    pub(super) fn size(&self) -> usize {
        // The map keeps key and value, and a half more for its empty slots.
        self.numbers.len() * (LINE + 8 + 24)
    }

    /// How many lines have places.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// What is kept from `addr` on, up to the end of its line.
    pub(super) fn get(&self, addr: u64) -> Option<&[u8]> {
        if self.numbers.is_empty() {
            return None;
        }
        let slot = *self.slots.get(&(addr / LINE as u64))? as usize;
        let from = slot * LINE + (addr % LINE as u64) as usize;
        self.bytes.get(from..(slot + 1) * LINE)
    }

    /// Reads these lines, of which none is kept, unless `expired` is set meanwhile.
    pub(super) fn fill(&mut self, wanted: &[u64], remote: &Remote, expired: &AtomicBool) {
        let mut rest = wanted;
        let mut buf = vec![0; wanted.len().min(AT_ONCE) * LINE];
        while !rest.is_empty() {
            let now = &rest[..rest.len().min(AT_ONCE)];
            let read = remote.read_units(LINE, now, &mut buf[..now.len() * LINE]);
            if expired.load(Ordering::Acquire) {
                return;
            }
            for (line, bytes) in now.iter().zip(buf.chunks_exact(LINE)).take(read) {
                self.slots.insert(*line, self.numbers.len() as u32);
                self.numbers.push(*line);
                self.bytes.extend_from_slice(bytes);
            }
            // One that cannot be read is left to who asks for it.
            rest = &rest[(read + usize::from(read < now.len())).min(rest.len())..];
        }
    }

    /// Gives the lines places by rising address, so that they can be read again at once. **Their
    /// bytes are garbage until [`Lines::refresh`].**
    pub(super) fn plan(&mut self) {
        self.numbers.sort_unstable();
        for (slot, number) in self.numbers.iter().enumerate() {
            self.slots.insert(*number, slot as u32);
        }
    }

    /// Reads every line again. One that is gone by now is no longer kept, nor is any that was not
    /// read before `expired` was set. Returns how many are no longer kept.
    pub(super) fn refresh(&mut self, remote: &Remote, expired: &AtomicBool) -> usize {
        let (mut done, before) = (0, self.slots.len());
        while done < self.numbers.len() {
            let end = self.numbers.len().min(done + AT_ONCE);
            let now = &self.numbers[done..end];
            let read = remote.read_units(LINE, now, &mut self.bytes[done * LINE..end * LINE]);
            if expired.load(Ordering::Acquire) {
                for gone in &self.numbers[done..] {
                    self.slots.remove(gone);
                }
                break;
            }
            if let Some(gone) = now.get(read) {
                self.slots.remove(gone);
                done += 1;
            }
            done += read;
        }
        before - self.slots.len()
    }
}
