//! What a goroutine does (`runtime/runtime2.go`, Go 1.19 … 1.27: numbers were only ever added).

use std::fmt;

/// The bit that says that the garbage collector scans the stack (`_Gscan`).
const SCAN: u32 = 0x1000;

/// A goroutine's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Allocated, not yet begun (`_Gidle`).
    Idle,
    /// Waits for a thread (`_Grunnable`).
    Runnable,
    /// Runs Go code (`_Grunning`).
    Running,
    /// In a system call (`_Gsyscall`).
    Syscall,
    /// Waits for something; see its wait reason (`_Gwaiting`).
    Waiting,
    /// Not in use (`_Gdead`).
    Dead,
    /// Its stack is being moved (`_Gcopystack`).
    CopyStack,
    /// Stopped in the middle of something (`_Gpreempted`).
    Preempted,
    /// Waits for what can never come, as the garbage collector found (`_Gleaked`, since 1.27).
    Leaked,
    /// Kept for calls from C, and not in use (`_Gdeadextra`, since 1.26).
    Extra,
    /// A number that no known release uses.
    Unknown(u32),
}

impl Status {
    /// The status and whether the stack is being scanned.
    pub(super) fn decode(word: u32) -> (Status, bool) {
        let status = match word & !SCAN {
            0 => Status::Idle,
            1 => Status::Runnable,
            2 => Status::Running,
            3 => Status::Syscall,
            4 => Status::Waiting,
            6 => Status::Dead,
            8 => Status::CopyStack,
            9 => Status::Preempted,
            10 => Status::Leaked,
            11 => Status::Extra,
            other => Status::Unknown(other),
        };
        (status, word & SCAN != 0)
    }
}

impl fmt::Display for Status {
    /// The words of Go's own tracebacks (`gStatusStrings` in `runtime/traceback.go`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Status::Idle => "idle",
            Status::Runnable => "runnable",
            Status::Running => "running",
            Status::Syscall => "syscall",
            Status::Waiting => "waiting",
            Status::Dead => "dead",
            Status::CopyStack => "copystack",
            Status::Preempted => "preempted",
            Status::Leaked => "leaked",
            Status::Extra => "dead (kept for calls from C)",
            Status::Unknown(number) => return write!(f, "unknown status {number}"),
        };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scan_bit_is_no_part_of_the_status() {
        assert_eq!(Status::decode(0x1004), (Status::Waiting, true));
        assert_eq!(Status::decode(2), (Status::Running, false));
        assert_eq!(Status::decode(5), (Status::Unknown(5), false));
    }
}
