//! Entries on their way from the order of the map to the order of memory.

use std::ops::ControlFlow;

use mapscope_runtime::Go;
use mapscope_runtime::maps::{Block, SLOTS};
use mapscope_runtime::types::{MapType, SlotLayout, TypeId};

/// Entries gathered before they are decoded.
///
/// Keys lie in the order of their hashes, what they point to in the order it was allocated: one by
/// one, each would need a page of a large heap that the one before did not. A batch in the order
/// of addresses needs each page once.
pub(super) struct Batch {
    /// Of each entry where it leads to, if it leads anywhere, over its number.
    order: Vec<u64>,
    /// The bytes of key and elem, entry after entry.
    bytes: Vec<u8>,
    key: Part,
    elem: Part,
    /// Where in an entry the pointer is that it is ordered by.
    leads_at: Option<usize>,
    /// How many entries it takes.
    room: usize,
}

/// Where in a block the keys, or the elems, are.
struct Part {
    offset: usize,
    stride: usize,
    size: usize,
}

/// The bytes of its entries at which a batch is full, with their order.
const BATCH_BYTES: usize = 48 << 20;
/// The largest key or elem that a slot itself holds (`MapMaxKeyBytes`, Go 1.26 internal/abi/map.go;
/// the same in every release).
const INLINE: u64 = 128;
/// The bits of a number in [`Batch::order`], which is the most entries a batch has.
const NUMBER: u32 = 21;
/// The bits of an address that its order leaves out. A user's addresses have 47 bits, of which these
/// leave [`NUMBER`] of a word free; what lies in the same 16 bytes lies near enough.
const LOW: u32 = 4;
/// Entries that are brought together before they are decoded: the processor waits for many at once
/// where the memory they come from is not in its cache.
const NEAR: usize = 256;

impl Batch {
    /// A batch for the entries of a map; their elems are left out unless `values`.
    pub(super) fn of(go: &Go<'_>, map: &MapType, slots: &SlotLayout, values: bool) -> Batch {
        let part = |offset: u64, stride: u64, ty: TypeId| Part {
            offset: offset as usize,
            stride: stride as usize,
            size: go.types.get(ty).size.min(stride).min(INLINE) as usize,
        };
        let key = part(slots.keys_off, slots.key_stride, map.key);
        let mut elem = part(slots.elems_off, slots.elem_stride, map.elem);
        let leads_at = match (go.types.leads_at(map.key), go.types.leads_at(map.elem)) {
            (Some(offset), _) => usize::try_from(offset).ok(),
            (None, Some(offset)) if values => Some((offset as usize).saturating_add(key.size)),
            _ => None,
        };
        if !values {
            elem.size = 0;
        }
        let entry = key.size + elem.size + size_of::<u64>();
        let room = (BATCH_BYTES / entry).clamp(1, (1 << NUMBER) - SLOTS);
        Batch { order: Vec::new(), bytes: Vec::new(), key, elem, leads_at, room }
    }

    /// Takes the entries of a block.
    pub(super) fn push(&mut self, block: &Block<'_>) {
        let mut full = block.full;
        while full != 0 {
            let slot = full.trailing_zeros() as usize;
            full &= full - 1;
            let start = self.bytes.len();
            self.key.copy(block.bytes, slot, &mut self.bytes);
            self.elem.copy(block.bytes, slot, &mut self.bytes);
            let leads = self.leads_at.and_then(|at| self.bytes.get(start.checked_add(at)?..));
            let leads = leads.and_then(|bytes| bytes.first_chunk());
            let place = leads.map_or(0, |bytes| u64::from_le_bytes(*bytes) >> LOW);
            self.order.push(place << NUMBER | self.order.len() as u64);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.room
    }

    /// Calls `each` with key and elem of every entry, in the order of what they lead to.
    pub(super) fn in_order(
        &mut self,
        mut each: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.order.sort_unstable();
        let (key, entry) = (self.key.size, self.key.size + self.elem.size);
        let mut near = Vec::with_capacity(NEAR * entry);
        for places in self.order.chunks(NEAR) {
            near.clear();
            for place in places {
                let from = (place & ((1 << NUMBER) - 1)) as usize * entry;
                near.extend_from_slice(self.bytes.get(from..from + entry).unwrap_or_default());
            }
            for i in 0..places.len() {
                let bytes = near.get(i * entry..(i + 1) * entry).unwrap_or_default();
                let (key, elem) = bytes.split_at(key.min(bytes.len()));
                each(key, elem)?;
            }
        }
        ControlFlow::Continue(())
    }

    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.bytes.clear();
    }
}

impl Part {
    /// Appends what a slot of a block holds; zeros where the block is too short.
    #[inline]
    fn copy(&self, block: &[u8], slot: usize, to: &mut Vec<u8>) {
        let from = self.offset.saturating_add(self.stride.saturating_mul(slot));
        let bytes = from.checked_add(self.size).and_then(|end| block.get(from..end));
        match bytes {
            Some(bytes) => to.extend_from_slice(bytes),
            None => to.resize(to.len() + self.size, 0),
        }
    }
}
