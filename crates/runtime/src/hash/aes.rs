//! Go's memory hash on processors with AES instructions: `aeshashbody` in runtime/asm_amd64.s
//! (the same code from 1.19 to 1.26), `memHashAES` in internal/runtime/maps (since 1.27).
//!
//! An `AESENC` is a round of AES; where the target's processor has the instruction and this one
//! has not, the round is computed in software.

use aes::hazmat::cipher_round;

/// One register of 16 bytes, little-endian.
type Lane = u128;

/// A target's key schedule: `runtime.aeskeysched`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule([Lane; 8]);

/// Bytes of `runtime.aeskeysched`.
pub(super) const SCHEDULE_BYTES: usize = 128;

impl Schedule {
    pub(super) fn new(bytes: &[u8; SCHEDULE_BYTES]) -> Schedule {
        Schedule(std::array::from_fn(|i| lane(bytes, i * 16)))
    }

    /// `memhash64` and `memhash32`: the key beside the seed, three rounds.
    pub(super) fn word(&self, key: u64, seed: u64) -> u64 {
        let mut state = u128::from(seed) | u128::from(key) << 64;
        for key in &self.0[..3] {
            state = round(state, *key);
        }
        state as u64
    }

    /// `memhash`: by classes of length.
    pub(super) fn memory(&self, bytes: &[u8], seed: u64) -> u64 {
        // 16 bits of the length, four times over, above the seed.
        let length = (bytes.len() as u64 & 0xffff) * 0x0001_0001_0001_0001;
        let plain = u128::from(seed) | u128::from(length) << 64;
        let first = scramble(plain ^ self.0[0]);
        match bytes.len() {
            0 => scramble(first) as u64,
            1..=16 => {
                let mut padded = [0; 16];
                padded[..bytes.len()].copy_from_slice(bytes);
                thrice(u128::from_le_bytes(padded) ^ first) as u64
            }
            17..=32 => self.lanes::<2>(bytes, plain, first),
            33..=64 => self.lanes::<4>(bytes, plain, first),
            65..=128 => self.lanes::<8>(bytes, plain, first),
            _ => self.long(bytes, plain, first),
        }
    }

    /// A seed for each of `N` lanes.
    fn seeds<const N: usize>(&self, plain: Lane, first: Lane) -> [Lane; N] {
        std::array::from_fn(|i| if i == 0 { first } else { scramble(plain ^ self.0[i]) })
    }

    /// The first and the last `N / 2` lanes of the data, which may overlap.
    fn lanes<const N: usize>(&self, bytes: &[u8], plain: Lane, first: Lane) -> u64 {
        let seeds = self.seeds::<N>(plain, first);
        let tail = bytes.len() - N * 8;
        let at = |i: usize| if i < N / 2 { i * 16 } else { tail + (i - N / 2) * 16 };
        (0..N).fold(0, |hash, i| hash ^ thrice(lane(bytes, at(i)) ^ seeds[i])) as u64
    }

    /// The last 128 bytes first, then blocks of 128 from the beginning.
    fn long(&self, bytes: &[u8], plain: Lane, first: Lane) -> u64 {
        let seeds = self.seeds::<8>(plain, first);
        let tail = bytes.len() - 128;
        let mut state: [Lane; 8] = std::array::from_fn(|i| lane(bytes, tail + i * 16) ^ seeds[i]);
        for block in bytes.chunks_exact(128).take((bytes.len() - 1) / 128) {
            for (i, state) in state.iter_mut().enumerate() {
                *state = round(scramble(*state), lane(block, i * 16));
            }
        }
        state.into_iter().fold(0, |hash, state| hash ^ thrice(state)) as u64
    }
}

/// `AESENC key, state`.
fn round(state: Lane, key: Lane) -> Lane {
    let mut block = state.to_le_bytes().into();
    cipher_round(&mut block, &key.to_le_bytes().into());
    u128::from_le_bytes(block.into())
}

/// `AESENC state, state`.
fn scramble(state: Lane) -> Lane {
    round(state, state)
}

fn thrice(state: Lane) -> Lane {
    scramble(scramble(scramble(state)))
}

/// The 16 bytes from `at` on; all callers have as many.
fn lane(bytes: &[u8], at: usize) -> Lane {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u128::from_le_bytes(*b))
}
