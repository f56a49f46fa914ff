//! What a machine and a process let us do: facts for `doctor`, as plain data.

mod cgroup;
mod core_place;
mod host;
mod process;

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use core_place::{CorePattern, CorePlace};
pub use host::{Capabilities, Host};
pub use process::{FileIds, Namespaces, ProcessFacts};

/// A fact, or why it is not known.
pub type Fact<T> = Result<T, Unknown>;

/// Why a fact is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// This kernel or machine has no such file: the feature is not there.
    #[error("there is no {0}")]
    Absent(PathBuf),
    /// The file is there and may not, or cannot, be read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        why: String,
    },
    /// The file does not say what it should.
    #[error("{0} does not say")]
    Unclear(PathBuf),
}

/// A resource limit in bytes; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What holds now.
    pub soft: Option<u64>,
    /// How far the process may raise it.
    pub hard: Option<u64>,
}

/// Whether a seccomp filter is on a process (`Seccomp` of `/proc/PID/status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seccomp {
    /// None.
    Off,
    /// Only read, write and exit.
    Strict,
    /// A filter program decides.
    Filter,
}

impl Unknown {
    fn from_io(path: &Path, error: &io::Error) -> Unknown {
        match error.kind() {
            io::ErrorKind::NotFound => Unknown::Absent(path.to_owned()),
            _ => Unknown::Unreadable { path: path.to_owned(), why: error.to_string() },
        }
    }
}

/// The text of a file.
fn text(path: &Path) -> Fact<String> {
    let bytes = std::fs::read(path).map_err(|e| Unknown::from_io(path, &e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The one value that a file holds.
fn value<T: FromStr>(path: impl AsRef<Path>) -> Fact<T> {
    let path = path.as_ref();
    text(path)?.trim().parse().map_err(|_| Unknown::Unclear(path.to_owned()))
}

/// `Max core file size` of `/proc/PID/limits`.
fn core_limit(pid: u32) -> Fact<Limit> {
    let path = crate::procfs::path(pid, "limits");
    let text = text(&path)?;
    parse_core_limit(&text).ok_or(Unknown::Unclear(path))
}

fn parse_core_limit(text: &str) -> Option<Limit> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max core file size"))?;
    let mut words = line.split_whitespace();
    let mut limit = || match words.next()? {
        "unlimited" => Some(None),
        bytes => bytes.parse().ok().map(Some),
    };
    Some(Limit { soft: limit()?, hard: limit()? })
}

/// A field of `/proc/PID/status`.
fn status_fact<T>(pid: u32, read: impl Fn(&crate::procfs::Status) -> Option<T>) -> Fact<T> {
    let path = crate::procfs::path(pid, "status");
    let status = crate::procfs::Status::of(pid).map_err(|e| Unknown::from_io(&path, &e))?;
    read(&status).ok_or(Unknown::Unclear(path))
}

fn seccomp(pid: u32) -> Fact<Seccomp> {
    status_fact(pid, |status| match status.number("Seccomp")? {
        0 => Some(Seccomp::Off),
        1 => Some(Seccomp::Strict),
        2 => Some(Seccomp::Filter),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let text =
            "Limit  Soft Limit  Hard Limit  Units\nMax core file size  0  unlimited  bytes\n";
        assert_eq!(parse_core_limit(text), Some(Limit { soft: Some(0), hard: None }));
        assert_eq!(parse_core_limit("Max core file size"), None);
    }

    #[test]
    fn files_that_are_not_there() {
        assert_eq!(value::<u32>("/none"), Err(Unknown::Absent("/none".into())));
        assert_eq!(
            value::<u32>("/proc/self/comm"),
            Err(Unknown::Unclear("/proc/self/comm".into()))
        );
        assert!(matches!(text("/".as_ref()), Err(Unknown::Unreadable { .. })));
    }
}
