//! Blocks of memory on their way to a file, so that who fills them need not wait for the disk.
//!
//! A block that was written is filled again: memory that was never touched before costs more than a
//! good disk takes. Where the disk is slow new blocks are made, up to a limit, and written later.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use memmap2::MmapMut;

use super::hurry::Hurry;

/// Bytes of a block.
pub(super) const BLOCK: usize = 2 << 20;
/// Blocks that are made at once when none is free, and however little memory there is.
const AT_LEAST: usize = 8;
/// Threads that write: while one tells the kernel, the other's block is on its way.
const WRITERS: usize = 2;
/// How long to wait for a block to be written rather than make a new one: about as long as new
/// memory takes.
const PATIENCE: Duration = Duration::from_millis(4);
/// What is shorter goes by the page cache, which makes less of a matter of it.
const DIRECT_FROM: usize = 64 << 10;

/// The way to a file. What was put in is written by [`Stream::finish`] at the latest.
pub(super) struct Stream {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<()>>,
}

/// What is shared with the threads that write.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// The file, by the page cache.
    file: File,
    /// The same past it, where the file system has that.
    direct: Option<File>,
    /// The most blocks there may be.
    most: usize,
}

#[derive(Default)]
struct State {
    free: Vec<MmapMut>,
    full: VecDeque<Full>,
    /// Blocks that there are, free, full or in somebody's hands.
    made: usize,
    /// Nothing more comes.
    over: bool,
    failure: Option<io::Error>,
}

/// The first `len` bytes of a block, which belong into the file at `at`.
struct Full {
    block: MmapMut,
    len: usize,
    at: u64,
}

impl Stream {
    /// To `file`, and to `direct`, the same opened with `O_DIRECT`. At most `memory` bytes wait.
    pub(super) fn to(file: File, direct: Option<File>, memory: u64) -> io::Result<Stream> {
        let most = usize::try_from(memory / BLOCK as u64).unwrap_or(usize::MAX).max(AT_LEAST);
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { state, changed, file, direct, most });
        let mut stream = Stream { shared, writers: Vec::new() };
        for _ in 0..WRITERS {
            let shared = stream.shared.clone();
            let writer = std::thread::Builder::new().name("keep".into());
            stream.writers.push(writer.spawn(move || shared.write())?);
        }
        Ok(stream)
    }

    /// A block to be filled.
    pub(super) fn block(&self) -> io::Result<MmapMut> {
        let mut state = self.shared.lock();
        let mut patient = state.made >= AT_LEAST;
        loop {
            if let Some(failure) = state.failure.take() {
                return Err(failure);
            }
            if let Some(block) = state.free.pop() {
                return Ok(block);
            }
            if !patient && state.made < self.shared.most {
                state.made += 1;
                drop(state);
                return MmapMut::map_anon(BLOCK);
            }
            let waited = self.shared.changed.wait_timeout(state, PATIENCE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            patient = false;
        }
    }

    /// Has the first `len` bytes of `block` written at `at`.
    pub(super) fn put(&self, block: MmapMut, len: usize, at: u64) {
        self.shared.lock().full.push_back(Full { block, len, at });
        self.shared.changed.notify_all();
    }

    /// Waits until all is written.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end();
        let failure = self.shared.lock().failure.take();
        failure.map_or(Ok(()), Err)
    }

    fn end(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        for writer in self.writers.drain(..) {
            // They do not panic; if one did, what it had is missing.
            if writer.join().is_err() {
                self.shared.lock().failure.get_or_insert(io::ErrorKind::Other.into());
            }
        }
    }
}

impl Drop for Stream {
    /// What was not finished is not wanted.
    fn drop(&mut self) {
        self.shared.lock().full.clear();
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread that writes does.
    fn write(&self) {
        let _hurry = Hurry::up();
        while let Some(full) = self.next() {
            let done = self.write_one(&full);
            let mut state = self.lock();
            if let Err(error) = done {
                state.failure.get_or_insert(error);
                state.full.clear();
            }
            state.free.push(full.block);
            drop(state);
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Full> {
        let mut state = self.lock();
        loop {
            if let Some(full) = state.full.pop_front() {
                return Some(full);
            }
            if state.over {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write_one(&self, full: &Full) -> io::Result<()> {
        let bytes = full.block.get(..full.len).unwrap_or_default();
        let direct = self.direct.as_ref().filter(|_| full.len >= DIRECT_FROM);
        match direct.map(|file| file.write_all_at(bytes, full.at)) {
            // A disk with larger sectors than a page.
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => {}
            Some(done) => return done,
            None => {}
        }
        self.file.write_all_at(bytes, full.at)
    }
}
