//! The bytes of another process, by `process_vm_readv` or `/proc/PID/mem`.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use crate::{Addr, Why};

/// Pieces that one system call reads (`IOV_MAX`).
const AT_ONCE: usize = 1024;

/// A process whose memory we may read.
pub(crate) struct Remote {
    pid: Pid,
    /// `/proc/PID/mem`. It stays with this process's memory: it never reads a later process that
    /// has come to the same pid.
    mem: File,
    /// Set when the kernel does not let us have `process_vm_readv` (a seccomp filter).
    mem_only: AtomicBool,
}

impl Remote {
    /// The process `pid`, whose `/proc/PID/mem` is `mem`.
    pub(crate) fn new(pid: u32, mem: File) -> Remote {
        let pid = Pid::from_raw(pid as i32);
        Remote { pid, mem, mem_only: AtomicBool::new(false) }
    }

    /// Reads as much of `buf` from `addr` on as there is in one piece: at least one byte.
    pub(crate) fn read(&self, addr: u64, buf: &mut [u8]) -> Result<usize, Why> {
        if buf.is_empty() {
            return Ok(0);
        }
        if !self.mem_only.load(Ordering::Relaxed) {
            let from = [RemoteIoVec { base: addr as usize, len: buf.len() }];
            match process_vm_readv(self.pid, &mut [IoSliceMut::new(buf)], &from) {
                Ok(0) | Err(Errno::EFAULT) => {}
                Ok(len) => return Ok(len),
                Err(Errno::ESRCH) => return Err(Why::Gone),
                Err(_) => self.mem_only.store(true, Ordering::Relaxed),
            }
        }
        self.read_mem(addr, buf)
    }

    /// The slow way, which also reads pages that the process itself may not read.
    fn read_mem(&self, addr: u64, buf: &mut [u8]) -> Result<usize, Why> {
        // pread takes a signed offset: what lies above is the kernel's, or no address at all.
        if addr > i64::MAX as u64 {
            return Err(Why::Unmapped);
        }
        loop {
            return match self.mem.read_at(buf, addr) {
                Ok(0) => Err(Why::Gone),
                Ok(len) => Ok(len),
                Err(e) => match Errno::from_raw(e.raw_os_error().unwrap_or(0)) {
                    Errno::EINTR => continue,
                    Errno::EIO | Errno::EFAULT => Err(Why::Unmapped),
                    Errno::ESRCH => Err(Why::Gone),
                    _ => Err(Why::Denied),
                },
            };
        }
    }

    /// Fills `buf` or fails at the first byte that cannot be read, whose distance from `addr` is
    /// returned.
    pub(crate) fn read_exact(&self, addr: u64, buf: &mut [u8]) -> Result<(), (usize, Why)> {
        let mut done = 0;
        while done < buf.len() {
            let at = addr.checked_add(done as u64).ok_or((done, Why::Overflow))?;
            done += self.read(at, &mut buf[done..]).map_err(|why| (done, why))?;
        }
        Ok(())
    }

    /// Reads `unit` bytes at each of these rising multiples of `unit` into `buf`, one after the
    /// other, and says how many it read before one that cannot be read. Neighbours are read in one
    /// piece. At most `IOV_MAX` (1024) of them.
    pub(crate) fn read_units(&self, unit: usize, numbers: &[u64], buf: &mut [u8]) -> usize {
        if self.mem_only.load(Ordering::Relaxed) {
            return self.read_units_by_mem(unit, numbers, buf);
        }
        let from: Vec<RemoteIoVec> = numbers
            .chunk_by(|a, b| a + 1 == *b)
            .map(|run| RemoteIoVec { base: run[0] as usize * unit, len: run.len() * unit })
            .collect();
        match process_vm_readv(self.pid, &mut [IoSliceMut::new(buf)], &from) {
            Ok(len) if len >= unit => len / unit,
            Err(Errno::ESRCH) => 0,
            _ => self.read_units_by_mem(unit, numbers, buf),
        }
    }

    /// Reads these pieces one after the other into `buf`, and says whether that was all of them.
    pub(crate) fn read_pieces(&self, pieces: &[(Addr, usize)], buf: &mut Vec<u8>) -> bool {
        buf.clear();
        if self.mem_only.load(Ordering::Relaxed) {
            return false;
        }
        pieces.chunks(AT_ONCE).all(|pieces| {
            let remote = |&(at, len): &(Addr, usize)| RemoteIoVec { base: at.0 as usize, len };
            let from: Vec<RemoteIoVec> = pieces.iter().map(remote).collect();
            let (done, len) = (buf.len(), pieces.iter().map(|(_, len)| len).sum::<usize>());
            buf.resize(done + len, 0);
            process_vm_readv(self.pid, &mut [IoSliceMut::new(&mut buf[done..])], &from) == Ok(len)
        })
    }

    fn read_units_by_mem(&self, unit: usize, numbers: &[u64], buf: &mut [u8]) -> usize {
        let Some(run) = numbers.chunk_by(|a, b| a + 1 == *b).next() else { return 0 };
        let buf = &mut buf[..run.len() * unit];
        self.read_mem(run[0] * unit as u64, buf).unwrap_or(0) / unit
    }
}

#[cfg(test)]
mod tests {
    use super::super::cache::PAGE;
    use super::*;

    /// Ourselves, with and without `process_vm_readv`.
    fn remotes() -> [Remote; 2] {
        [false, true].map(|mem_only| {
            let remote = Remote::new(std::process::id(), File::open("/proc/self/mem").unwrap());
            remote.mem_only.store(mem_only, Ordering::Relaxed);
            remote
        })
    }

    #[test]
    fn both_ways_read_the_same() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5 * PAGE).collect();
        let first = (bytes.as_ptr() as u64).div_ceil(PAGE as u64);
        let skip = first as usize * PAGE - bytes.as_ptr() as usize;
        for remote in remotes() {
            let mut buf = vec![0; 700];
            assert_eq!(remote.read_exact(bytes.as_ptr() as u64 + 3, &mut buf), Ok(()));
            assert_eq!(buf, bytes[3..703]);
            let mut buf = vec![0; 3 * PAGE];
            let pages = [first, first + 1, first + 3];
            let mut done = 0;
            while done < pages.len() {
                done += remote.read_units(PAGE, &pages[done..], &mut buf[done * PAGE..]);
            }
            assert_eq!(buf[..2 * PAGE], bytes[skip..skip + 2 * PAGE]);
            assert_eq!(buf[2 * PAGE..], bytes[skip + 3 * PAGE..skip + 4 * PAGE]);
        }
    }

    #[test]
    fn pieces_are_read_one_after_the_other() {
        let bytes: Vec<u8> = (0..=255).cycle().take(AT_ONCE * 8).collect();
        let at = |i: usize| Addr(bytes.as_ptr() as u64 + i as u64);
        let pieces: Vec<_> = (0..AT_ONCE + 1).map(|i| (at(i * 7), 1 + i % 2)).collect();
        let all: Vec<u8> =
            (0..pieces.len()).flat_map(|i| bytes[i * 7..][..1 + i % 2].to_vec()).collect();
        let [remote, by_mem] = remotes();
        let mut buf = vec![1; 3];
        assert!(remote.read_pieces(&pieces, &mut buf));
        assert_eq!(buf, all);
        assert!(!remote.read_pieces(&[(at(0), 1), (Addr(16), 1)], &mut buf));
        assert!(!by_mem.read_pieces(&pieces, &mut buf));
    }

    #[test]
    fn what_is_not_mapped() {
        for remote in remotes() {
            assert_eq!(remote.read_exact(16, &mut [0; 4]), Err((0, Why::Unmapped)));
            assert_eq!(remote.read_exact(u64::MAX - 1, &mut [0; 4]), Err((0, Why::Unmapped)));
            assert_eq!(remote.read_units(PAGE, &[0, 1], &mut [0; 2 * PAGE]), 0);
        }
    }
}
