//! One map whose type is in question: what is read of it once for all types that it may be of.

use std::ops::ControlFlow;
use std::rc::Rc;

use mapscope_target::Addr;

use super::fits::{self, Fit};
use super::hashes::Met;
use crate::Go;
use crate::maps::{Array, Entry, MapAt, entries};
use crate::types::{SlotLayout, TypeId};

/// One map whose type is in question.
pub(super) struct Subject {
    pub(super) addr: Addr,
    /// Its arrays, as far as they can be told, and how many reads were lost that would tell more.
    arrays: Option<(Option<Vec<Array>>, usize)>,
    samples: Vec<Rc<Sample>>,
    /// Whether values of a type can be at the keys or elems of a sample, as far as was asked.
    values: Vec<(Asked, Fit)>,
    pub(super) placed: Met,
    /// Reads that were lost in its trials.
    pub(super) lost: usize,
}

/// The first entries of a map, where slots of this layout have them.
pub(super) struct Sample {
    slots: SlotLayout,
    pub(super) entries: Vec<Entry>,
    /// Whether they could be read, and are as many as the header says, or as were asked for.
    sound: Fit,
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
        Subject { addr, arrays, samples, values, placed: Met::default(), lost: 0 }
    }

    /// Whether it could not even be read what arrays the map has.
    pub(super) fn is_unread(&self) -> bool {
        matches!(self.arrays, Some((None, 1..)))
    }

    /// Whether the arrays of the map are of the size that buckets or groups of this layout take:
    /// neither too short, nor larger than spare buckets and a size class make them.
    pub(super) fn arrays_fit(&mut self, go: &Go<'_>, map: &MapAt) -> Fit {
        let Some(slots) = map.slots else { return Fit::No };
        let lost = &mut self.lost;
        // How many blocks they have is in the header, whatever the layout.
        let (arrays, unread) = self.arrays.get_or_insert_with(|| {
            let (arrays, more) = go.apart(|| go.shape.arrays(go.reader(), map).ok());
            *lost += more;
            (arrays, more)
        });
        let Some(arrays) = arrays else { return Fit::of(false, *unread) };
        let mut blocks = arrays.iter().filter(|a| a.count > 0 && a.blocks && !a.on_stack);
        let fit = blocks.all(|array| {
            let need = array.count.saturating_mul(slots.block_size);
            array.bytes == go.heap.rounded(need, !slots.pointer_free)
        });
        Fit::of(fit, *unread)
    }

    /// Whether the first keys and elems of the map decode as those of map type `ty`; fewer are
    /// tried where it is `hashed`.
    pub(super) fn decodes(&mut self, go: &Go<'_>, map: &MapAt, ty: TypeId, hashed: bool) -> Fit {
        let (Some(of), Some(slots)) = (go.types.map(ty), map.slots) else { return Fit::No };
        let Some(sample) = self.sample(go, map) else { return Fit::No };
        let count = if hashed { FEW } else { MAX_TRIED };
        let asked = |elems, ty| Asked { slots, elems, ty, count };
        let keys = |subject: &mut Subject| subject.are_values(go, &sample, asked(false, of.key));
        let elems = |subject: &mut Subject| subject.are_values(go, &sample, asked(true, of.elem));
        sample.sound.and(|| keys(self)).and(|| elems(self))
    }

    fn are_values(&mut self, go: &Go<'_>, sample: &Sample, asked: Asked) -> Fit {
        if let Some((_, known)) = self.values.iter().find(|(known, _)| *known == asked) {
            return *known;
        }
        let tried = sample.entries.iter().take(asked.count);
        let places = tried.map(|entry| if asked.elems { entry.elem } else { entry.key });
        let (fit, lost) = fits::are_values(go, places, asked.ty);
        self.lost += lost;
        self.values.push((asked, fit));
        fit
    }

    /// Its first entries, as slots of this layout have them.
    pub(super) fn sample(&mut self, go: &Go<'_>, map: &MapAt) -> Option<Rc<Sample>> {
        let slots = map.slots?;
        if let Some(known) = self.samples.iter().find(|sample| sample.slots == slots) {
            return Some(Rc::clone(known));
        }
        let (mut sample, lost) = go.apart(|| Sample::read(go, map, slots));
        sample.sound = Fit::of(sample.sound == Fit::Yes, lost);
        self.lost += lost;
        let sample = Rc::new(sample);
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
        let sound = Fit::of(walked.is_ok() && whole && many, 0);
        Sample { slots, entries: found, sound }
    }
}
