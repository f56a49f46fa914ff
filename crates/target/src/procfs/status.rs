//! `/proc/PID/status` and `/proc/PID/stat`.

use std::io;

use crate::facts::FileIds;

/// The text of `/proc/PID/status`.
pub(crate) struct Status(String);

impl Status {
    /// Of the process or thread `pid`.
    pub(crate) fn of(pid: u32) -> io::Result<Status> {
        super::read(pid, "status").map(|text| Status(String::from_utf8_lossy(&text).into_owned()))
    }

    /// Our own.
    pub(crate) fn ours() -> io::Result<Status> {
        Status::of(std::process::id())
    }

    /// The value of the line `name:`. The kernel escapes newlines in the one line a process
    /// chooses, `Name`.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    /// A field that is a decimal number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    /// A field that is a hexadecimal bit set.
    pub(crate) fn bits(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.field(name)?, 16).ok()
    }

    /// The effective uid: the second of `Uid`'s real, effective, saved and file system ids.
    pub(crate) fn euid(&self) -> Option<u32> {
        self.field("Uid")?.split_whitespace().nth(1)?.parse().ok()
    }

    /// The ids by which files are opened: the last of `Uid` and of `Gid`, `Groups`, and bit 1 of `CapEff`.
    pub(crate) fn file_ids(&self) -> Option<FileIds> {
        let last = |name| self.field(name)?.split_whitespace().next_back()?.parse().ok();
        let groups = self.field("Groups")?.split_whitespace();
        Some(FileIds {
            uid: last("Uid")?,
            gid: last("Gid")?,
            groups: groups.filter_map(|group| group.parse().ok()).collect(),
            overrides: self.bits("CapEff")? >> 1 & 1 == 1,
        })
    }

    /// The number that it has in the PID namespace it was born into, and that it knows itself by: the
    /// last of `NSpid`, which Linux before 4.1 does not have.
    pub(crate) fn inner_pid(&self) -> Option<u32> {
        self.field("NSpid")?.split_whitespace().next_back()?.parse().ok()
    }

    /// The thread that traces this one, if any.
    pub(crate) fn tracer(&self) -> Option<u32> {
        self.number("TracerPid").filter(|&pid| pid != 0).map(|pid| pid as u32)
    }

    /// The process's name, at most 15 bytes.
    pub(crate) fn name(&self) -> String {
        self.field("Name").unwrap_or("?").to_owned()
    }
}

/// What of `/proc/PID/stat` is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// One letter: R running, S sleeping, D uninterruptible, T stopped, t traced, Z zombie, X dead.
    pub(crate) state: char,
    /// `PF_…` of the kernel's `sched.h`.
    pub(crate) flags: u64,
    /// When it started, in clock ticks since boot: tells a process from a later one of its pid.
    pub(crate) start: u64,
}

/// `PF_KTHREAD` of the kernel's `include/linux/sched.h`.
const PF_KTHREAD: u64 = 0x0020_0000;

impl Stat {
    /// Of the process or thread `pid`.
    pub(crate) fn of(pid: u32) -> io::Result<Stat> {
        let text = super::read(pid, "stat")?;
        Stat::parse(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// The name stands in parentheses and may hold any byte, `)` and spaces too: the fields begin
    /// after the last `)`.
    fn parse(text: &[u8]) -> Option<Stat> {
        let end = text.iter().rposition(|&b| b == b')')?;
        let text = std::str::from_utf8(text.get(end + 1..)?).ok()?;
        let fields: Vec<&str> = text.split_whitespace().collect();
        Some(Stat {
            state: fields.first()?.chars().next()?,
            flags: fields.get(6)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }

    /// Whether it is a thread of the kernel, which has no memory of its own.
    pub(crate) fn is_kernel(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// Whether it has ended and only waits to be reaped.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses() {
        let text = b"7 (a) R (b) S 1 2 3 4 5 64 0 0 0 0 0 0 0 0 20 0 1 0 4242 9 9\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat, Stat { state: 'S', flags: 64, start: 4242 });
    }

    #[test]
    fn our_own() {
        let status = Status::ours().unwrap();
        assert!(status.euid().is_some());
        assert!(!Stat::of(std::process::id()).unwrap().has_ended());
    }
}
