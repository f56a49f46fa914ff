//! Go's hash of map keys, computed as the target computes it: with its own seeds and key
//! schedule, on whatever processor mapscope itself runs.
//!
//! How memory is hashed is the target's choice ([`Algorithm`]); what of a key is hashed, in which
//! order, is in the hash function of the map's type ([`Hasher`]). The processor that mapscope
//! runs on makes no difference.

mod aes;
mod algorithm;
mod equal;
mod fallback;
mod function;
mod hasher;
mod kinds;
mod plan;
mod signature;
mod sought;

pub use algorithm::{Algorithm, NoAlgorithm};
pub use equal::Key;
pub(crate) use hasher::half;
pub use hasher::{Hasher, NoHash, NoHasher};
pub use sought::Sought;
