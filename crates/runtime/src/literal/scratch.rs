//! Memory that holds, beside a target's, what a literal points to.

use mapscope_target::{Addr, Fault, Memory, Why};

/// Where the literal's own memory lies: addresses that no processor of this kind can have.
const BASE: u64 = 0xf000_0000_0000_0000;

/// A target's memory with a literal's beside it.
pub struct Scratch<'m> {
    under: &'m dyn Memory,
    bytes: Vec<u8>,
}

impl<'m> Scratch<'m> {
    /// A target's memory, with nothing beside it yet.
    pub(super) fn over(under: &'m dyn Memory) -> Scratch<'m> {
        Scratch { under, bytes: Vec::new() }
    }

    /// Whether an address is a literal's own, not the target's.
    pub(crate) fn is_own(addr: Addr) -> bool {
        addr.0 >> 48 == BASE >> 48
    }

    /// Puts `bytes` somewhere, eight bytes aligned.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Addr {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = BASE + self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        Addr(at)
    }

    fn own(&self, addr: Addr, len: usize) -> Option<Option<&[u8]>> {
        let from = usize::try_from(addr.0.checked_sub(BASE)?).ok()?;
        let own = from <= self.bytes.len();
        own.then(|| self.bytes.get(from..from.checked_add(len)?))
    }
}

impl Memory for Scratch<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        match self.own(addr, buf.len()) {
            Some(Some(bytes)) => buf.copy_from_slice(bytes),
            Some(None) => return Err(Fault::new(addr, Why::Unmapped)),
            None => return self.under.read(addr, buf),
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        match self.own(addr, len) {
            Some(own) => own,
            None => self.under.borrow(addr, len),
        }
    }
}
