//! Reading `/proc`: every file of it is text or words that a process can in part choose.

mod maps;
mod status;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

pub(crate) use maps::maps;
pub(crate) use status::{Stat, Status};

/// The most of a command line or an environment that is read: 16 MiB. `execve` takes less, but a
/// process can say later that they are anywhere (`PR_SET_MM_ENV_END`).
const MAX_STRINGS: u64 = 16 << 20;
/// The most entries that an auxiliary vector can have; the kernel writes about twenty.
const MAX_AUXV: usize = 4096;

/// `/proc/PID/NAME`.
pub(crate) fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// The bytes of `/proc/PID/NAME`.
pub(crate) fn read(pid: u32, name: &str) -> io::Result<Vec<u8>> {
    std::fs::read(path(pid, name))
}

/// The memory of this machine that can be had without swapping, in bytes, as the kernel estimates
/// it (`MemAvailable` of `/proc/meminfo`).
pub(crate) fn available_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The thread ids of a process, in the kernel's order.
pub(crate) fn tasks(pid: u32) -> io::Result<Vec<u32>> {
    let mut tids = Vec::new();
    for entry in std::fs::read_dir(path(pid, "task"))? {
        if let Some(tid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            tids.push(tid);
        }
    }
    Ok(tids)
}

/// The pairs of an auxiliary vector, up to `AT_NULL` or the end of the bytes.
pub(crate) fn parse_auxv(bytes: &[u8]) -> Vec<(u64, u64)> {
    bytes
        .as_chunks::<16>()
        .0
        .iter()
        .map(|pair| {
            let pair = u128::from_le_bytes(*pair);
            (pair as u64, (pair >> 64) as u64)
        })
        .take_while(|&(key, _)| key != 0)
        .take(MAX_AUXV)
        .collect()
}

/// The strings of `/proc/PID/environ` and `/proc/PID/cmdline`: each ends with a NUL.
pub(crate) fn strings(pid: u32, name: &str) -> io::Result<Vec<OsString>> {
    let mut bytes = Vec::new();
    File::open(path(pid, name))?.take(MAX_STRINGS).read_to_end(&mut bytes)?;
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    Ok(bytes.split(|&b| b == 0).map(|s| OsString::from_vec(s.to_vec())).collect())
}
