//! `sync.Map`, shown as the map it is to its user, in both its forms.

use std::ops::ControlFlow;

use mapscope_target::{Addr, Fault};

/// Where a `sync.Map` is and which form it has.
pub struct SyncMap;

/// One entry of a `sync.Map`.
#[derive(Clone, Copy, Debug)]
pub struct SyncEntry {
    /// Where the key, an `any`, is.
    pub key: Addr,
    /// Where the value, an `any`, is.
    pub value: Addr,
}
