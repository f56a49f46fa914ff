//! What is asked of a [`Source`](super::Source), for those who make the tables.

use super::declare::Asked;
use super::layouts::STRUCTURES;

/// What is asked for outside of the declarations of [`layouts`](super::layouts).
const OTHERS: &[Asked] = &[
    Asked { names: &["runtime.heapArena"], paths: &["bitmap", "noMorePtrs"] },
    Asked { names: &["runtime.spanInlineMarkBits"], paths: &[] },
];

/// Constants that are asked for.
pub const CONSTANTS: &[&str] = &[
    "internal/abi.TFlagDirectIface",
    "runtime.arenaBaseOffsetUintptr",
    "runtime.heapArenaBytes",
    "runtime.pageSize",
];

/// Variables that are found by the code that uses them, where no symbol names them.
pub const VARIABLES: &[&str] = &[
    "runtime.allgs",
    "runtime.allm",
    "runtime.allp",
    "runtime.mheap_",
    // The hash (runtime/alg.go until 1.26; internal/runtime/maps since 1.27).
    "runtime.aeskeysched",
    "runtime.hashkey",
    "runtime.useAeshash",
    "internal/runtime/maps.aeskeysched",
    "internal/runtime/maps.hashkey",
    "internal/runtime/maps.UseAeshash",
    // What a deleted value of a sync.Map points to.
    "sync.expunged",
    "internal/sync.expunged",
];

/// The names of the runtime's table of size classes, the newest first.
pub const SIZE_CLASSES: [&str; 2] =
    ["internal/runtime/gc.SizeClassToSize", "runtime.class_to_size"];

/// Every structure that is asked for.
pub fn asked() -> impl Iterator<Item = Asked> {
    STRUCTURES.iter().chain(OTHERS).copied()
}
