//! Opening a process by its pid.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use nix::errno::Errno;

use super::cache::{Cache, WhenFull};
use super::remote::Remote;
use super::{LEAST_CACHE_LIMIT, Live, MOST_CACHE_LIMIT, Maps, Mode, Obstacle};
use crate::procfs::{self, Stat};

/// Why a process could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenLiveError {
    /// There is none of this pid, or it is hidden (`hidepid` of `/proc`).
    #[error("there is no process {pid}")]
    NoSuchProcess {
        /// The pid.
        pid: u32,
    },
    /// The pid is that of a thread, not of a process.
    #[error("{pid} is a thread of process {process}: give that one")]
    Thread {
        /// The thread.
        pid: u32,
        /// The process it belongs to.
        process: u64,
    },
    /// It has ended, and its parent has not taken note yet.
    #[error("process {pid} has ended and only waits for its parent to reap it")]
    Ended {
        /// The pid.
        pid: u32,
    },
    /// A thread of the kernel has no memory of its own.
    #[error("process {pid} is a thread of the kernel")]
    Kernel {
        /// The pid.
        pid: u32,
    },
    /// We may not read it.
    #[error("may not read process {pid}: {}", Obstacle::list(.obstacles))]
    Denied {
        /// The pid.
        pid: u32,
        /// What stands in the way.
        obstacles: Vec<Obstacle>,
    },
    /// A 32-bit process, or one of another architecture under an emulator.
    #[error("process {pid} runs {what}; only 64-bit x86 is understood")]
    Architecture {
        /// The pid.
        pid: u32,
        /// What its executable is.
        what: &'static str,
    },
    /// A file of `/proc` could not be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

impl Live {
    /// Opens the process `pid` of our PID namespace. It goes on running.
    pub fn open(pid: u32) -> Result<Live, OpenLiveError> {
        check_alive(pid)?;
        let mem = File::open(procfs::path(pid, "mem")).map_err(|e| failed(pid, "mem", e))?;
        let list = procfs::maps(pid).map_err(|e| failed(pid, "maps", e))?;
        let live = Live {
            pid,
            remote: Remote::new(pid, mem),
            cache: RwLock::new(Cache::new(cache_limit(), WhenFull::ReadPast)),
            mode: AtomicU8::new(Mode::Running as u8),
            max_pause: Mutex::new(None),
            dropped: AtomicUsize::new(0),
            expired: Arc::default(),
            mappings: Maps { list, next: OnceLock::new() },
            threads: Mutex::new(None),
            missed: Mutex::default(),
        };
        live.check_architecture()?;
        Ok(live)
    }

    /// Opens the executable it runs, even where that has been replaced or unlinked since, or lies
    /// in another mount namespace.
    pub fn open_exe(&self) -> io::Result<File> {
        File::open(procfs::path(self.pid, "exe"))
    }

    fn check_architecture(&self) -> Result<(), OpenLiveError> {
        let pid = self.pid;
        let mut file = self.open_exe().map_err(|e| failed(pid, "exe", e))?;
        let mut head = [0; 20];
        file.read_exact(&mut head).map_err(|e| failed(pid, "exe", e))?;
        match crate::elf_head::foreign(&head) {
            Some(what) => Err(OpenLiveError::Architecture { pid, what }),
            None => Ok(()),
        }
    }
}

fn check_alive(pid: u32) -> Result<(), OpenLiveError> {
    let stat = Stat::of(pid).map_err(|e| failed(pid, "stat", e))?;
    if stat.is_kernel() {
        return Err(OpenLiveError::Kernel { pid });
    }
    if stat.has_ended() {
        return Err(OpenLiveError::Ended { pid });
    }
    let status = procfs::Status::of(pid).map_err(|e| failed(pid, "status", e))?;
    match status.number("Tgid") {
        Some(process) if process != u64::from(pid) => Err(OpenLiveError::Thread { pid, process }),
        _ => Ok(()),
    }
}

fn failed(pid: u32, name: &str, source: io::Error) -> OpenLiveError {
    match source.kind() {
        io::ErrorKind::NotFound => OpenLiveError::NoSuchProcess { pid },
        io::ErrorKind::PermissionDenied => {
            OpenLiveError::Denied { pid, obstacles: Obstacle::find(pid) }
        }
        _ if source.raw_os_error() == Some(Errno::ESRCH as i32) => {
            OpenLiveError::NoSuchProcess { pid }
        }
        _ => OpenLiveError::Io { path: procfs::path(pid, name), source },
    }
}

/// How much is kept of a process: a quarter of the memory that is there to be had, within bounds.
fn cache_limit() -> usize {
    let available = procfs::available_memory().unwrap_or(0);
    let quarter = usize::try_from(available / 4).unwrap_or(usize::MAX);
    quarter.clamp(LEAST_CACHE_LIMIT, MOST_CACHE_LIMIT)
}
