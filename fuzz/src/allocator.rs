//! An allocator that refuses what no input can justify.

use std::alloc::{GlobalAlloc, Layout, System};

/// The most that may be asked for at once, in bytes. libFuzzer's own limit needs a sanitizer.
const AT_ONCE: usize = 256 << 20;

struct Limited;

// SAFETY: every call goes to the system's allocator as it is; those that do not return abort.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: the caller keeps to the contract of this very method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; every block is the system's.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        // SAFETY: as above; every block is the system's.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn check(size: usize) {
    // A panic would allocate; libFuzzer keeps the input of an abort just as well.
    if size > AT_ONCE {
        std::process::abort();
    }
}

#[global_allocator]
static LIMITED: Limited = Limited;
