//! What was looked up last.

/// So many answers are remembered.
const SLOTS: usize = 1 << BITS;
const BITS: u32 = 10;

/// Answers that were given before, as far as nothing else has taken their slot: those that are asked
/// for again soon stay near.
pub(super) struct Recent<K, V>(Box<[Option<(K, V)>]>);

impl<K: Copy + PartialEq, V: Copy> Default for Recent<K, V> {
    fn default() -> Recent<K, V> {
        Recent(vec![None; SLOTS].into())
    }
}

impl<K: Copy + PartialEq, V: Copy> Recent<K, V> {
    /// The answer for `key`, which `number` should tell apart from others.
    pub(super) fn get_or(&mut self, key: K, number: u64, find: impl FnOnce() -> V) -> V {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BITS);
        let slot = &mut self.0[mixed as usize];
        match slot {
            Some((known, answer)) if *known == key => *answer,
            _ => {
                let answer = find();
                *slot = Some((key, answer));
                answer
            }
        }
    }
}
