//! Go's memory hash on processors without AES instructions: runtime/hash64.go, after wyhash; since
//! 1.27 in internal/runtime/maps/runtime_hash64.go.

const M5: u64 = 0x1d8e_4e27_c47d_124f;

/// What the constants of the fallback are in a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Constants {
    seed: u64,
    mix: [u64; 3],
}

/// Fixed multipliers until 1.22; random numbers of the process took their place in 1.23
/// (runtime/hash64.go).
const M1: u64 = 0xa076_1d64_78bd_642f;
const M2: u64 = 0xe703_7ed1_a0b4_28db;
const M3: u64 = 0x8ebc_6af0_9c88_c6e3;
const M4: u64 = 0x5899_65cc_7537_4cc3;

impl Constants {
    /// Until 1.22: fixed but for `runtime.hashkey[0]`.
    pub(super) fn fixed(hashkey: &[u64; 4]) -> Constants {
        Constants { seed: hashkey[0] ^ M1, mix: [M2, M3, M4] }
    }

    /// Since 1.23: all of `runtime.hashkey`.
    pub(super) fn random(hashkey: &[u64; 4]) -> Constants {
        Constants { seed: hashkey[0], mix: [hashkey[1], hashkey[2], hashkey[3]] }
    }

    /// Whether the code of a hash function has the fixed constants in its instructions.
    pub(super) fn are_fixed_in(code: &[u8]) -> bool {
        code.windows(8).any(|window| window == M2.to_le_bytes())
    }

    /// `memhash64Fallback`, and `memhash32Fallback` with a `size` of 4.
    pub(super) fn word(&self, key: u64, size: u64, seed: u64) -> u64 {
        mix(M5 ^ size, mix(key ^ self.mix[0], key ^ seed ^ self.seed))
    }

    /// `memhashFallback`.
    pub(super) fn memory(&self, bytes: &[u8], seed: u64) -> u64 {
        let len = bytes.len();
        let mut seed = seed ^ self.seed;
        let (a, b) = match len {
            0 => return seed,
            1..=3 => {
                let byte = |at: usize| u64::from(bytes[at]);
                (byte(0) | byte(len >> 1) << 8 | byte(len - 1) << 16, 0)
            }
            4..=7 => (half(bytes, 0), half(bytes, len - 4)),
            8..=16 => (word(bytes, 0), word(bytes, len - 8)),
            _ => {
                seed = self.long(bytes, seed);
                (word(bytes, len - 16), word(bytes, len - 8))
            }
        };
        mix(M5 ^ len as u64, mix(a ^ self.mix[0], b ^ seed))
    }

    /// All but the last 16 bytes: 48 at a time, then 16.
    fn long(&self, bytes: &[u8], mut seed: u64) -> u64 {
        let mut rest = bytes;
        if rest.len() > 48 {
            let mut seeds = [seed; 3];
            while rest.len() > 48 {
                for (i, seed) in seeds.iter_mut().enumerate() {
                    *seed = mix(word(rest, i * 16) ^ self.mix[i], word(rest, i * 16 + 8) ^ *seed);
                }
                rest = &rest[48..];
            }
            seed = seeds[0] ^ seeds[1] ^ seeds[2];
        }
        while rest.len() > 16 {
            seed = mix(word(rest, 0) ^ self.mix[0], word(rest, 8) ^ seed);
            rest = &rest[16..];
        }
        seed
    }
}

fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

fn half(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b).into())
}
