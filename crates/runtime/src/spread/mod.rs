//! How evenly the keys of a map are spread, beside what a good hash would do (row F7).
//!
//! A good hash throws each key into any bucket or group with the same chance, whatever the others
//! do. How uneven the result is has then a known distribution, and what is far beyond it has
//! another cause: keys that were chosen to collide, or a hash that ignores a part of the key.

mod chains;
mod odds;
mod probes;

use mapscope_target::{Addr, MemoryExt};

use crate::Go;
use crate::hash::Hasher;
use crate::maps::{Damage, MapAt, SLOTS};
use crate::types::TypeId;

pub use odds::Evenness;

/// Larger keys are not read, in bytes: the hasher refuses them as well.
const MAX_KEY: u64 = 1 << 20;

/// Keys that are found after so many buckets or groups.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Length {
    /// Keys of this map.
    pub keys: u64,
    /// Keys that a good hash would give, on average.
    pub expected: f64,
}

/// How the keys of a map are spread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// Buckets or groups that were compared.
    pub cells: u64,
    /// Keys in them.
    pub keys: u64,
    /// Keys of which nothing is known: without a hash, such as a NaN, or not to be read.
    pub left_out: u64,
    /// Of how many tables that many were looked at (Swiss).
    pub tables: Option<(u64, u64)>,
    /// By how many buckets (classic) or groups (Swiss) are looked at until a key is found, from
    /// one on.
    pub lengths: Vec<Length>,
    /// Keys compared on the way to others because their marks, tophash or H2, are the same.
    pub false_marks: u64,
    /// As many as a good hash would give, on average, the keys lying as they do.
    pub expected_false: f64,
    /// How even the buckets or groups are that keys belong to.
    pub evenness: Evenness,
}

impl Spread {
    /// Buckets or groups looked at for one key that is there: of this map, and of a good hash.
    pub fn mean_lengths(&self) -> (f64, f64) {
        let steps = |of: &dyn Fn(&Length) -> f64| {
            let weighted = self.lengths.iter().enumerate().map(|(i, l)| (i + 1) as f64 * of(l));
            let all: f64 = self.lengths.iter().map(of).sum();
            if all > 0.0 { weighted.sum::<f64>() / all } else { 0.0 }
        };
        (steps(&|length| length.keys as f64), steps(&|length| length.expected))
    }

    /// Counts a key that is found in the bucket or group number `step`, from 0.
    fn count(&mut self, step: usize) {
        self.length(step).keys += 1;
        self.keys += 1;
    }

    fn length(&mut self, step: usize) -> &mut Length {
        if self.lengths.len() <= step {
            self.lengths.resize(step + 1, Length::default());
        }
        &mut self.lengths[step]
    }
}

impl Go<'_> {
    /// How the keys of the map `at`, which is of type `ty`, are spread; `None` where there is
    /// nothing to compare: a single bucket or group, or none.
    ///
    /// # Errors
    ///
    /// The map is damaged, or the hashes of its keys cannot be computed (Swiss).
    pub fn spread(&self, at: &MapAt, ty: TypeId) -> Result<Option<Spread>, SpreadError> {
        let spread = match self.shape.has_chains() {
            true => chains::spread(self, at)?,
            false => {
                let hasher =
                    Hasher::of(self, ty).map_err(|why| SpreadError::Hash(why.to_string()))?;
                let seed = self.shape.seed(self.memory(), at.addr).map_err(Damage::from)?;
                let size = hasher.key_size();
                probes::spread(self, at, &|key: Addr| {
                    let bytes = self.memory().bytes(key, size, MAX_KEY).ok()?;
                    hasher.hash(self.memory(), &bytes, seed).ok()
                })?
            }
        };
        Ok(Some(spread).filter(|spread| spread.cells > 1 && spread.keys > 0))
    }
}

/// Why nothing can be said of how keys are spread.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpreadError {
    /// The map is damaged or cannot be read.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// How the target hashes these keys is not known.
    #[error("{0}")]
    Hash(String),
}

/// Slots of a block, as a number to count with.
const BLOCK: u64 = SLOTS as u64;
