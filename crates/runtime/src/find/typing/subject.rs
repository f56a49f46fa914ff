//! One map whose type is in question: what is read of it once for all types that it may be of.

use std::ops::ControlFlow;
use std::rc::Rc;

use mapscope_target::Addr;

use super::fits;
use super::hashes::Met;
use crate::Go;
use crate::maps::{Array, Entry, MapAt, entries};
use crate::types::{SlotLayout, TypeId};

/// One map whose type is in question.
pub(super) struct Subject {
    pub(super) addr: Addr,
    arrays: Option<Option<Vec<Array>>>,
    samples: Vec<Rc<Sample>>,
    /// Whether values of a type can be at the keys or elems of a sample, as far as was asked.
    values: Vec<(Asked, bool)>,
    pub(super) placed: Met,
}

/// The first entries of a map, where slots of this layout have them.
pub(super) struct Sample {
    slots: SlotLayout,
    pub(super) entries: Vec<Entry>,
    /// They could be read, and are as many as the header says, or as were asked for.
    sound: bool,
}

/// Keys or elems, and how many.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Asked {
    slots: SlotLayout,
    elems: bool,
    ty: TypeId,
    count: usize,
}

/// Entries tried of each candidate.
const MAX_TRIED: usize = 64;
/// The same where the hashes of keys agree already.
const FEW: usize = 16;

impl Subject {
    pub(super) fn new(addr: Addr) -> Subject {
        let (arrays, samples, values) = (None, Vec::new(), Vec::new());
        Subject { addr, arrays, samples, values, placed: Met::default() }
    }

    /// Whether the arrays of the map are of the size that buckets or groups of this layout take:
    /// neither too short, nor larger than spare buckets and a size class make them.
    pub(super) fn arrays_fit(&mut self, go: &Go<'_>, map: &MapAt) -> bool {
        let Some(slots) = map.slots else { return false };
        // How many blocks they have is in the header, whatever the layout.
        let arrays = self.arrays.get_or_insert_with(|| go.shape.arrays(go.reader(), map).ok());
        let Some(arrays) = arrays else { return false };
        let mut blocks = arrays.iter().filter(|a| a.count > 0 && a.blocks && !a.on_stack);
        blocks.all(|array| {
            let need = array.count.saturating_mul(slots.block_size);
            array.bytes == go.heap.rounded(need, !slots.pointer_free)
        })
    }

    /// Whether the first keys and elems of the map decode as those of map type `ty`; fewer are
    /// tried where it is `hashed`.
    pub(super) fn decodes(&mut self, go: &Go<'_>, map: &MapAt, ty: TypeId, hashed: bool) -> bool {
        let (Some(of), Some(slots)) = (go.types.map(ty), map.slots) else { return false };
        let Some(sample) = self.sample(go, map).filter(|sample| sample.sound) else { return false };
        let count = if hashed { FEW } else { MAX_TRIED };
        [(false, of.key), (true, of.elem)].into_iter().all(|(elems, ty)| {
            let asked = Asked { slots, elems, ty, count };
            if let Some((_, known)) = self.values.iter().find(|(known, _)| *known == asked) {
                return *known;
            }
            let tried = sample.entries.iter().take(count);
            let places = tried.map(|entry| if elems { entry.elem } else { entry.key });
            let are = fits::are_values(go, places, ty);
            self.values.push((asked, are));
            are
        })
    }

    /// Its first entries, as slots of this layout have them.
    pub(super) fn sample(&mut self, go: &Go<'_>, map: &MapAt) -> Option<Rc<Sample>> {
        let slots = map.slots?;
        if let Some(known) = self.samples.iter().find(|sample| sample.slots == slots) {
            return Some(Rc::clone(known));
        }
        let sample = Rc::new(Sample::read(go, map, slots));
        self.samples.push(Rc::clone(&sample));
        Some(sample)
    }
}

impl Sample {
    fn read(go: &Go<'_>, map: &MapAt, slots: SlotLayout) -> Sample {
        let (mut found, mut whole) = (Vec::new(), true);
        let walked = go.shape.blocks(go.reader(), map, &mut |block| {
            for entry in entries(&block, &slots, go.memory()) {
                match entry {
                    Ok(entry) => found.push(entry),
                    Err(_) => whole = false,
                }
                if !whole || found.len() == MAX_TRIED {
                    return ControlFlow::Break(());
                }
            }
            go.flow()
        });
        let len = go.shape.len(go.memory(), map.addr);
        let many = found.len() == MAX_TRIED || len == Ok(found.len() as u64);
        Sample { slots, entries: found, sound: walked.is_ok() && whole && many }
    }
}
