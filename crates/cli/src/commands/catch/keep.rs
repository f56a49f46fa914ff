//! Where cores are kept, and how many.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use mapscope_probe::{Bpf, Hit};
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
    pub(super) about: About,
}

/// What is said of how a process was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    began: Instant,
    /// How long it stood still for that.
    pub(super) stop: Duration,
    /// How much memory was copied, in bytes.
    pub(super) bytes: u64,
    /// How many threads it has.
    pub(super) threads: usize,
}

impl Taken {
    /// The process was let go just now.
    pub(super) fn until_now(mut self) -> Taken {
        self.about.stop = self.about.began.elapsed();
        self
    }
}

impl Keeper {
    /// Of the directory `dir`, which is made if it is not there.
    pub(super) fn open(dir: &Path, more: u32, left: u64) -> std::io::Result<Keeper> {
        std::fs::create_dir_all(dir)?;
        Ok(Keeper { dir: dir.to_owned(), more, left })
    }

    /// Copies the process of `hit`, which `bpf` has stopped, and lets it go, to be stopped `again` if it
    /// begins to die once more.
    pub(super) fn take_stopped(
        &self,
        hit: &Hit,
        name: &str,
        bpf: &mut Bpf,
        again: bool,
    ) -> anyhow::Result<Taken> {
        let (hold, taken) = match Hold::stop(hit.pid, Arc::new(AtomicBool::new(false))) {
            Ok(hold) => {
                let taken = self.take_held(hit, name, hold.threads());
                (Some(hold), taken)
            }
            Err(why) => (None, Err(why.into())),
        };
        // While it is held still: what it does next may be to begin to die.
        bpf.let_go(hit.pid, again)?;
        if let Some(hold) = hold {
            hold.let_go(|| bpf.has_stopped(hit.pid));
        }
        taken.map(Taken::until_now)
    }

    /// Copies the process of `hit`, all of whose threads are held.
    pub(super) fn take_held(
        &self,
        hit: &Hit,
        name: &str,
        threads: &[ThreadState],
    ) -> anyhow::Result<Taken> {
        let path = self.path(name, hit.pid);
        let threads = in_order(threads, hit);
        let why = KeptFor { signal: SIGTRAP, at: hit.at };
        let snapshot = Snapshot::take(hit.pid, &threads, why, self.left, &path)?;
        let (bytes, threads) = (snapshot.bytes(), threads.len());
        let about = About { began: hit.when, stop: hit.when.elapsed(), bytes, threads };
        Ok(Taken { snapshot, path, about })
    }

    /// Writes what was taken. It is not counted yet.
    pub(super) fn write(&self, taken: Taken) -> Result<Kept, KeepError> {
        taken.snapshot.write(&taken.path)
    }

    /// Counts a core that stays.
    pub(super) fn count(&mut self, kept: &Kept) {
        self.left = self.left.saturating_sub(kept.bytes);
        self.more = self.more.saturating_sub(1);
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
