//! Where cores are kept, and how many.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mapscope_probe::Hit;
use mapscope_target::{Hold, KeepError, Kept, KeptFor, Snapshot, ThreadState};

/// `SIGTRAP`: a core of a program that was stopped at an instruction.
const SIGTRAP: i32 = 5;

/// The directory of cores.
pub(super) struct Keeper {
    dir: PathBuf,
    /// How many more may be kept.
    pub(super) more: u32,
    /// How much more they may take, in bytes.
    left: u64,
}

/// A process as it stood when it began to die.
pub(super) struct Taken {
    snapshot: Snapshot,
    path: PathBuf,
    /// How long it stood still for that.
    pub(super) stop: Duration,
    /// How much memory was copied, in bytes.
    pub(super) bytes: u64,
    /// How many threads it has.
    pub(super) threads: usize,
}

impl Keeper {
    /// Of the directory `dir`, which is made if it is not there.
    pub(super) fn open(dir: &Path, more: u32, left: u64) -> std::io::Result<Keeper> {
        std::fs::create_dir_all(dir)?;
        Ok(Keeper { dir: dir.to_owned(), more, left })
    }

    /// Copies the process of `hit`, which a signal has stopped, and lets it go.
    pub(super) fn take(&self, hit: &Hit, name: &str) -> anyhow::Result<Taken> {
        let path = self.path(name, hit.pid);
        let hold = Hold::stop(hit.pid, Arc::new(AtomicBool::new(false)))?;
        let threads = in_order(hold.threads(), hit);
        let why = KeptFor { signal: SIGTRAP, at: hit.at };
        let snapshot = Snapshot::take(hit.pid, &threads, why, self.left, &path);
        let stop = hold.let_go();
        let snapshot = snapshot?;
        Ok(Taken { bytes: snapshot.bytes(), snapshot, path, stop, threads: threads.len() })
    }

    /// Writes what was taken.
    pub(super) fn keep(&mut self, taken: Taken) -> Result<Kept, KeepError> {
        let kept = taken.snapshot.write(&taken.path)?;
        self.left = self.left.saturating_sub(kept.bytes);
        self.more = self.more.saturating_sub(1);
        Ok(kept)
    }

    /// A path that is not taken yet.
    fn path(&self, name: &str, pid: u32) -> PathBuf {
        let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let first = format!("core.{name}.{pid}");
        let later = (2..).map(|number| format!("{first}.{number}"));
        let names = std::iter::once(first.clone()).chain(later).map(|name| self.dir.join(name));
        let mut free = names.take(10_000).filter(|path| !path.exists());
        free.next().unwrap_or_else(|| self.dir.join(&first))
    }
}

/// The threads, the one that hit the probe first, and as it was then.
fn in_order(threads: &[ThreadState], hit: &Hit) -> Vec<ThreadState> {
    let mut threads = threads.to_vec();
    threads.iter_mut().for_each(|thread| hit.set_back(thread));
    threads.sort_by_key(|thread| thread.tid != hit.tid);
    threads
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}
