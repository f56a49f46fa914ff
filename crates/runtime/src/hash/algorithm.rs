//! Which hash of memory a target uses, with its own keys.

use mapscope_target::{Addr, Fault, MemoryExt};

use super::aes::{SCHEDULE_BYTES, Schedule};
use super::fallback::Constants;
use crate::Go;

/// How a target hashes memory: chosen and seeded when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm(Inner);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inner {
    Aes(Schedule),
    Fallback(Constants),
}

/// Why a target's hashes cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAlgorithm {
    /// A variable of the runtime was not found.
    #[error("the executable does not tell where {0} lies")]
    NoVariable(&'static str),
    /// A variable of the runtime could not be read.
    #[error("{what} cannot be read: {fault}")]
    Unreadable {
        /// The variable.
        what: &'static str,
        /// Why it could not be.
        fault: Fault,
    },
}

/// Where the runtime keeps what: internal/runtime/maps/runtime_alg.go since 1.27, before it
/// runtime/alg.go.
const USE_AES: [&str; 2] = ["internal/runtime/maps.UseAeshash", "runtime.useAeshash"];
const SCHEDULE: [&str; 2] = ["internal/runtime/maps.aeskeysched", "runtime.aeskeysched"];
const HASHKEY: [&str; 2] = ["internal/runtime/maps.hashkey", "runtime.hashkey"];

impl Algorithm {
    /// The one that the target uses, by its own `useAeshash`.
    ///
    /// # Errors
    ///
    /// The variables that tell are not found, or not readable.
    pub fn of(go: &Go<'_>) -> Result<Algorithm, NoAlgorithm> {
        let memory = go.memory();
        let use_aes = find(go, USE_AES)?;
        let aes = memory.u8(use_aes).map_err(|fault| unreadable(USE_AES, fault))? != 0;
        if aes {
            let at = find(go, SCHEDULE)?;
            let bytes = memory.array(at).map_err(|fault| unreadable(SCHEDULE, fault))?;
            return Ok(Algorithm::aes(&bytes));
        }
        let at = find(go, HASHKEY)?;
        let bytes = memory.array::<32>(at).map_err(|fault| unreadable(HASHKEY, fault))?;
        let key = std::array::from_fn(|i| crate::value::word(&bytes, i as u64 * 8));
        Ok(Algorithm::fallback(&key, has_fixed_constants(go)))
    }

    /// The one of processors with AES instructions, with this `aeskeysched`.
    pub fn aes(schedule: &[u8; SCHEDULE_BYTES]) -> Algorithm {
        Algorithm(Inner::Aes(Schedule::new(schedule)))
    }

    /// The one of other processors, with this `hashkey`; with `fixed` constants beside it until
    /// 1.22.
    pub fn fallback(hashkey: &[u64; 4], fixed: bool) -> Algorithm {
        let constants = match fixed {
            true => Constants::fixed(hashkey),
            false => Constants::random(hashkey),
        };
        Algorithm(Inner::Fallback(constants))
    }

    /// What it is called: `aes` or `wyhash`.
    pub fn name(&self) -> &'static str {
        match self.0 {
            Inner::Aes(_) => "aes",
            Inner::Fallback(_) => "wyhash",
        }
    }

    /// `runtime.memhash`.
    pub fn memory(&self, bytes: &[u8], seed: u64) -> u64 {
        match &self.0 {
            Inner::Aes(schedule) => schedule.memory(bytes, seed),
            Inner::Fallback(constants) => constants.memory(bytes, seed),
        }
    }

    /// `runtime.memhash32`.
    pub fn u32(&self, key: u32, seed: u64) -> u64 {
        match &self.0 {
            Inner::Aes(schedule) => schedule.word(key.into(), seed),
            Inner::Fallback(constants) => constants.word(key.into(), 4, seed),
        }
    }

    /// `runtime.memhash64`.
    pub fn u64(&self, key: u64, seed: u64) -> u64 {
        match &self.0 {
            Inner::Aes(schedule) => schedule.word(key, seed),
            Inner::Fallback(constants) => constants.word(key, 8, seed),
        }
    }
}

fn find(go: &Go<'_>, names: [&'static str; 2]) -> Result<Addr, NoAlgorithm> {
    let found = names.iter().find_map(|name| go.variable(name));
    found.ok_or(NoAlgorithm::NoVariable(names[1]))
}

fn unreadable(names: [&'static str; 2], fault: Fault) -> NoAlgorithm {
    NoAlgorithm::Unreadable { what: names[1], fault }
}

/// Whether the fallback's constants are in its code, as they were until 1.22.
fn has_fixed_constants(go: &Go<'_>) -> bool {
    let Some(table) = go.pclntab() else { return false };
    let Some(function) = table.named("runtime.memhash64Fallback") else { return false };
    let len = function.end().offset_from(function.entry()).unwrap_or(0);
    let code = go.image.elf.bytes_at(function.entry(), len);
    code.is_some_and(Constants::are_fixed_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of every vector.
    const SEED: u64 = 0x0123_4567_89ab_cdef;

    /// What real processes computed: keys of the process, then what was hashed and the hash.
    /// `fixtures/hashes` prints more of them, for every kind of key.
    const VECTORS: &str = include_str!("vectors.txt");

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
    }

    fn algorithm(name: &str, keys: &[u8]) -> Algorithm {
        if name == "aes" {
            return Algorithm::aes(keys.try_into().unwrap());
        }
        let key = std::array::from_fn(|i| crate::value::word(keys, i as u64 * 8));
        Algorithm::fallback(&key, name == "fixed")
    }

    #[test]
    fn hashes_of_memory_are_those_that_go_computed() {
        let text = "0123456789abcdefghijklmnopqrstuvwxyz".repeat(40);
        let (mut current, mut checked) = (None, 0);
        for line in VECTORS.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [what, input, hash] = words[..] else {
                current = Some(algorithm(words[0], &bytes(words[1])));
                continue;
            };
            let (algorithm, input) = (current.unwrap(), input.parse::<u64>().unwrap());
            let got = match what {
                "u32" => algorithm.u32(input as u32, SEED),
                "u64" => algorithm.u64(input, SEED),
                _ => algorithm.memory(&text.as_bytes()[..input as usize], SEED),
            };
            assert_eq!(format!("{got:x}"), hash, "{} {line}", algorithm.name());
            checked += 1;
        }
        assert!(checked > 120);
    }
}
