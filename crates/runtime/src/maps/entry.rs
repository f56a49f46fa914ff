//! The entries of a bucket or group.

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Why};

use super::{Block, SLOTS};
use crate::types::SlotLayout;

/// Where one entry's key and elem are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which of the eight slots.
    pub slot: u8,
    /// The key itself, behind the pointer where the slot holds one.
    pub key: Addr,
    /// The elem itself, likewise.
    pub elem: Addr,
}

/// The entries of `block`, in slot order. A fault means that a pointer to a key or elem is nil or
/// outside the address space.
pub fn entries<'b>(
    block: &Block<'b>,
    slots: &'b SlotLayout,
    memory: &'b dyn Memory,
) -> impl Iterator<Item = Result<Entry, Fault>> + use<'b> {
    let (addr, full) = (block.addr, block.full);
    (0..SLOTS as u8).filter(move |slot| full >> slot & 1 != 0).map(move |slot| {
        let i = u64::from(slot);
        let key = slots.keys_off.saturating_add(slots.key_stride.saturating_mul(i));
        let elem = slots.elems_off.saturating_add(slots.elem_stride.saturating_mul(i));
        Ok(Entry {
            slot,
            key: place(memory, addr, key, slots.indirect_key)?,
            elem: place(memory, addr, elem, slots.indirect_elem)?,
        })
    })
}

fn place(memory: &dyn Memory, block: Addr, offset: u64, indirect: bool) -> Result<Addr, Fault> {
    let at = block.checked_add(offset).ok_or(Fault::new(block, Why::Overflow))?;
    match indirect {
        false => Ok(at),
        true => memory.addr(at),
    }
}
