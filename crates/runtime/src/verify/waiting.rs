//! Keys that wait to be hashed.
//!
//! Keys lie in the order of their hashes, what they point to in the order it was allocated: one by
//! one, each would need a page of a large heap that the one before did not. A batch in the order
//! of addresses needs each page once.

use mapscope_target::Addr;

use super::judge::Side;
use super::{Outcome, Place, Site};
use crate::value::word;

/// Keys that wait to be hashed, each with what is to be checked then.
pub(crate) struct Waiting<T> {
    /// Where in a key its first pointer is.
    leads_at: Option<u64>,
    size: usize,
    /// What each key points to, and its number; empty where keys point nowhere.
    order: Vec<(u64, u32)>,
    keys: Vec<u8>,
    wanted: Vec<T>,
}

/// Keys that wait before they are hashed where they point somewhere, and where they do not.
const BATCH: usize = 1 << 17;
const SMALL_BATCH: usize = 1 << 10;
/// Bytes of keys at which a batch is full before.
const BATCH_BYTES: usize = 8 << 20;

impl<T> Waiting<T> {
    pub(crate) fn new(site: &Site<'_>) -> Waiting<T> {
        Waiting {
            leads_at: site.judge.leads_at(),
            size: site.judge.size(Side::Key) as usize,
            order: Vec::new(),
            keys: Vec::new(),
            wanted: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, key: &[u8], wanted: T) {
        if let Some(at) = self.leads_at {
            self.order.push((word(key, at), self.wanted.len() as u32));
        }
        let end = self.keys.len() + self.size;
        self.keys.extend_from_slice(key.get(..self.size).unwrap_or(key));
        self.keys.resize(end, 0);
        self.wanted.push(wanted);
    }

    pub(crate) fn is_full(&self) -> bool {
        let most = if self.leads_at.is_some() { BATCH } else { SMALL_BATCH };
        self.wanted.len() >= most || self.keys.len() >= BATCH_BYTES
    }

    /// Hashes all that wait, and hands each hash on with what is wanted of it.
    pub(crate) fn hash(
        &mut self,
        site: &Site<'_>,
        seed: u64,
        out: &mut Outcome,
        place: impl Fn(&T) -> (Place, Addr),
        mut each: impl FnMut(u64, &T, &mut Outcome),
    ) {
        self.order.sort_unstable();
        for i in 0..self.wanted.len() {
            let index = self.order.get(i).map_or(i, |(_, index)| *index as usize);
            let key = self.keys.get(index * self.size..(index + 1) * self.size).unwrap_or(&[]);
            let Some(wanted) = self.wanted.get(index) else { continue };
            if let Some(hash) = site.hash(key, seed, || place(wanted), out) {
                each(hash, wanted, out);
            }
        }
        self.order.clear();
        self.keys.clear();
        self.wanted.clear();
    }
}
