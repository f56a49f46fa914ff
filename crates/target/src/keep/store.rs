//! Copying a process's memory to a file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memmap2::MmapMut;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc;

use super::KeepError;
use super::hurry::Hurry;
use super::plan::Plan;
use super::stream::{BLOCK, Stream};
use crate::Why;
use crate::live::remote::Remote;
use crate::procfs;

/// The longest gap, in bytes, that is written as zeros rather than left as a hole: a write of its own
/// for what is behind it takes longer.
const GAP: u64 = 64 << 10;

/// A copy of what a plan says, a part of which may be on its way to the file yet.
pub(super) struct Store {
    stream: Stream,
    file: Partial,
}

impl Store {
    /// Copies. What cannot be read is cut out of the plan.
    pub(super) fn fill(pid: u32, plan: &mut Plan, path: &Path) -> Result<Store, KeepError> {
        let _hurry = Hurry::up();
        let gone = |source| KeepError::Proc { pid, source };
        let failed = |source| KeepError::Write { path: path.to_owned(), source };
        let mem = File::open(procfs::path(pid, "mem")).map_err(gone)?;
        let remote = Remote::new(pid, mem);
        let file = Partial::create(path).map_err(failed)?;
        file.reserve(plan).map_err(failed)?;
        let stream = file.stream().map_err(failed)?;
        let mut copy = Copy { remote: &remote, stream: &stream, block: None, at: 0, len: 0 };
        for region in &mut plan.regions {
            let mut cut = None;
            for range in &region.copied {
                match copy.range(range, region.place(range.start)) {
                    Ok(()) => {}
                    Err(Stuck::Gone) => return Err(KeepError::Gone),
                    Err(Stuck::Disk(source)) => return Err(failed(source)),
                    Err(Stuck::At(at)) => {
                        cut = Some(at);
                        break;
                    }
                }
            }
            if let Some(at) = cut {
                region.cut(at);
            }
        }
        copy.flush();
        Ok(Store { stream, file })
    }

    /// Makes the file, and says how much of the disk it takes, in bytes.
    pub(super) fn finish(self, head: &[u8], path: &Path) -> io::Result<u64> {
        let Store { stream, mut file } = self;
        stream.finish()?;
        file.file.write_all_at(head, 0)?;
        file.file.sync_all()?;
        let bytes = file.file.metadata()?.blocks() * 512;
        file.rename(path)?;
        Ok(bytes)
    }
}

/// Why a range was not copied to its end.
enum Stuck {
    /// The process is gone.
    Gone,
    /// It cannot be read from this address on.
    At(u64),
    /// The file cannot be written.
    Disk(io::Error),
}

/// The copying: memory gathers in a block as long as it lies together in the file.
struct Copy<'a> {
    remote: &'a Remote,
    stream: &'a Stream,
    block: Option<MmapMut>,
    /// Where in the file the block belongs, and how much it has, in bytes.
    at: u64,
    len: usize,
}

impl Copy<'_> {
    /// Copies the addresses of `range` to `place` in the file and behind.
    fn range(&mut self, range: &Range<u64>, place: u64) -> Result<(), Stuck> {
        let mut at = range.start;
        while at < range.end {
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let done = self.piece(at, left, place + (at - range.start))?;
            at += done as u64;
        }
        Ok(())
    }

    /// Copies up to `len` bytes at `from` to `place`, and says how many.
    fn piece(&mut self, from: u64, len: usize, place: u64) -> Result<usize, Stuck> {
        let behind = self.at + self.len as u64;
        let gap = place.checked_sub(behind).filter(|gap| *gap <= GAP && self.block.is_some());
        let gap = gap.map_or(BLOCK, |gap| gap as usize);
        if self.len + gap >= BLOCK {
            self.flush();
            (self.at, self.len) = (place, 0);
        }
        let gap = (place - self.at) as usize - self.len;
        let block = match &mut self.block {
            Some(block) => block,
            none => none.insert(self.stream.block().map_err(Stuck::Disk)?),
        };
        let (zeros, to) = block
            .get_mut(self.len..)
            .unwrap_or_default()
            .split_at_mut_checked(gap)
            .unwrap_or_default();
        zeros.fill(0);
        let len = len.min(to.len());
        self.len += gap;
        match self.remote.read_exact(from, to.get_mut(..len).unwrap_or_default()) {
            Ok(()) => {
                self.len += len;
                Ok(len)
            }
            Err((_, Why::Gone)) => Err(Stuck::Gone),
            Err((done, _)) => {
                self.len += done;
                Err(Stuck::At(from + done as u64))
            }
        }
    }

    /// Has the block written.
    fn flush(&mut self) {
        if let Some(block) = self.block.take() {
            self.stream.put(block, self.len, self.at);
        }
    }
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
        let file = options.custom_flags(libc::O_NOFOLLOW).open(&path)?;
        Ok(Partial { file, path: Some(path) })
    }

    /// Gives it its length, and the disk's room for what is going to be written: it is known at once
    /// whether there is enough, and writing takes the file system less time.
    fn reserve(&self, plan: &Plan) -> io::Result<()> {
        self.file.set_len(plan.len())?;
        let ranges = plan.regions.iter().flat_map(|region| {
            let place = |range: &Range<u64>| (region.place(range.start), range.end - range.start);
            region.copied.iter().map(place).filter(|(_, len)| *len > GAP)
        });
        for (at, len) in ranges {
            match fallocate(&self.file, FallocateFlags::empty(), at as i64, len as i64) {
                Ok(()) => {}
                Err(Errno::ENOSPC) => return Err(Errno::ENOSPC.into()),
                // The file system cannot: what is written then takes its room.
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// A way to write to it. Past the page cache, where that can be: it would take new memory for
    /// what nobody reads soon.
    fn stream(&self) -> io::Result<Stream> {
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let mut direct = OpenOptions::new();
        let direct = direct.write(true).custom_flags(libc::O_DIRECT).open(own).ok();
        Stream::to(self.file.try_clone()?, direct, procfs::available_memory().unwrap_or(0) / 2)
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
