//! Where a process's memory is copied to: to memory of our own, or to the file at once.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memmap2::MmapMut;

use super::KeepError;
use super::plan::Plan;
use crate::Why;
use crate::live::remote::Remote;
use crate::procfs;

/// Bytes copied at a time to a file.
const PIECE: usize = 1 << 20;

/// A copy of what a plan says.
pub(super) struct Store {
    /// The pieces, in the order of the plan; `None` where they are in the file already.
    memory: Option<MmapMut>,
    file: Partial,
}

impl Store {
    /// Copies. What cannot be read is cut out of the plan.
    pub(super) fn fill(pid: u32, plan: &mut Plan, path: &Path) -> Result<Store, KeepError> {
        let gone = |source| KeepError::Proc { pid, source };
        let failed = |source| KeepError::Write { path: path.to_owned(), source };
        let mem = File::open(procfs::path(pid, "mem")).map_err(gone)?;
        let remote = Remote::new(pid, mem);
        let file = Partial::create(path).map_err(failed)?;
        let memory = match fits(plan.bytes()) {
            true => copy_to_memory(&remote, plan)?,
            false => None,
        };
        if memory.is_none() {
            copy_to_file(&remote, plan, &file.file, path)?;
        }
        Ok(Store { memory, file })
    }

    /// Makes the file, and says how much of the disk it takes, in bytes.
    pub(super) fn finish(mut self, plan: &Plan, head: &[u8], path: &Path) -> io::Result<u64> {
        let file = &self.file.file;
        file.set_len(plan.len().max(head.len() as u64))?;
        file.write_all_at(head, 0)?;
        if let Some(memory) = self.memory.take() {
            let mut from = 0;
            for region in &plan.regions {
                for range in &region.copied {
                    let len = (range.end - range.start) as usize;
                    let bytes = memory.get(from..from + len).unwrap_or_default();
                    file.write_all_at(bytes, region.place(range.start))?;
                    from += len;
                }
            }
        }
        file.sync_all()?;
        let bytes = file.metadata()?.blocks() * 512;
        self.file.rename(path)?;
        Ok(bytes)
    }
}

/// Whether there is memory for a copy without taking it from others: half of what is available.
fn fits(bytes: u64) -> bool {
    procfs::available_memory().is_some_and(|available| bytes < available / 2)
}

/// `None` where the memory is not to be had after all.
fn copy_to_memory(remote: &Remote, plan: &mut Plan) -> Result<Option<MmapMut>, KeepError> {
    let len = usize::try_from(plan.bytes()).unwrap_or(usize::MAX).max(1);
    let Ok(mut memory) = MmapMut::map_anon(len) else { return Ok(None) };
    // It only saves time.
    let _ = memory.advise(memmap2::Advice::HugePage);
    let mut at = 0;
    for region in &mut plan.regions {
        for number in 0..region.copied.len() {
            let Some(range) = region.copied.get(number).cloned() else { break };
            let to = memory.get_mut(at..at + (range.end - range.start) as usize);
            match remote.read_exact(range.start, to.unwrap_or_default()) {
                Ok(()) => at += (range.end - range.start) as usize,
                Err((_, Why::Gone)) => return Err(KeepError::Gone),
                Err((done, _)) => {
                    at += done;
                    region.cut(range.start + done as u64);
                }
            }
        }
    }
    Ok(Some(memory))
}

fn copy_to_file(
    remote: &Remote,
    plan: &mut Plan,
    file: &File,
    path: &Path,
) -> Result<(), KeepError> {
    let failed = |source| KeepError::Write { path: path.to_owned(), source };
    let mut piece = vec![0; PIECE];
    for region in &mut plan.regions {
        let mut cut = None;
        for range in &region.copied {
            let mut at = range.start;
            while at < range.end && cut.is_none() {
                let len = (range.end - at).min(PIECE as u64) as usize;
                let to = piece.get_mut(..len).unwrap_or_default();
                match remote.read_exact(at, to) {
                    Ok(()) => file.write_all_at(to, region.place(at)).map_err(failed)?,
                    Err((_, Why::Gone)) => return Err(KeepError::Gone),
                    Err((done, _)) => {
                        let bytes = to.get(..done).unwrap_or_default();
                        file.write_all_at(bytes, region.place(at)).map_err(failed)?;
                        cut = Some(at + done as u64);
                    }
                }
                at += len as u64;
            }
        }
        if let Some(at) = cut {
            region.cut(at);
        }
    }
    Ok(())
}

/// A file that is not whole yet: removed unless it is given its name.
struct Partial {
    file: File,
    path: Option<PathBuf>,
}

impl Partial {
    /// Beside where it is to be, readable by its owner only: it has the process's secrets.
    fn create(path: &Path) -> io::Result<Partial> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let path = path.with_file_name(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.custom_flags(nix::libc::O_NOFOLLOW).open(&path)?;
        Ok(Partial { file, path: Some(path) })
    }

    fn rename(&mut self, to: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, to)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Where even that fails there is nothing more to be done.
            let _ = fs::remove_file(path);
        }
    }
}
