//! The notes of a core, as the kernel writes them (fs/binfmt_elf.c): threads, process, signal,
//! auxiliary vector, mapped files. As there, threads and processes have the numbers that they have in
//! their own PID namespace: a Go program knows its threads by these.

use std::os::unix::ffi::OsStrExt;

use super::Why;
use super::pages::PAGE;
use crate::{Mapping, ThreadState, procfs};

const NT_PRSTATUS: u32 = 1;
const NT_PRFPREG: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const NT_SIGINFO: u32 = 0x5349_4749;

/// `TRAP_BRKPT` of asm-generic/siginfo.h: stopped at an instruction, not by what it did.
const TRAP_BRKPT: i32 = 1;

/// All notes: those of the first thread first.
pub(super) fn of(pid: u32, threads: &[ThreadState], why: Why, mappings: &[&Mapping]) -> Vec<u8> {
    let process = Process::of(pid);
    let mut notes = Vec::new();
    for (number, thread) in threads.iter().enumerate() {
        let signal = if number == 0 { why.signal } else { 0 };
        let tid = inner(thread.tid);
        note(&mut notes, NT_PRSTATUS, &status(thread, tid, &process, signal));
        if number == 0 {
            note(&mut notes, NT_PRPSINFO, &process.note(inner(pid)));
            note(&mut notes, NT_SIGINFO, &siginfo(why));
            note(&mut notes, NT_AUXV, &procfs::read(pid, "auxv").unwrap_or_default());
            note(&mut notes, NT_FILE, &files(mappings));
        }
        if let Some(floating) = &thread.floating {
            note(&mut notes, NT_PRFPREG, &floating[..]);
        }
    }
    notes
}

fn note(to: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let name = b"CORE\0\0\0\0";
    for value in [5, body.len() as u32, kind] {
        to.extend_from_slice(&value.to_le_bytes());
    }
    to.extend_from_slice(name);
    to.extend_from_slice(body);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// The number of a thread in its own namespace.
fn inner(tid: u32) -> u32 {
    let status = procfs::Status::of(tid).ok();
    status.and_then(|status| status.inner_pid()).unwrap_or(tid)
}

/// What the process says of itself.
struct Process {
    parent: u32,
    group: u32,
    session: u32,
    uid: u32,
    gid: u32,
    name: Vec<u8>,
    arguments: Vec<u8>,
}

impl Process {
    fn of(pid: u32) -> Process {
        let status = procfs::Status::of(pid).ok();
        let number = |name: &str, word: usize| {
            let field = status.as_ref()?.field(name)?;
            field.split_whitespace().nth(word)?.parse().ok()
        };
        let mut arguments = procfs::read(pid, "cmdline").unwrap_or_default();
        arguments.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
        Process {
            parent: number("PPid", 0).unwrap_or(0),
            group: number("NSpgid", 0).unwrap_or(0),
            session: number("NSsid", 0).unwrap_or(0),
            uid: number("Uid", 0).unwrap_or(0),
            gid: number("Gid", 0).unwrap_or(0),
            name: status.map_or_else(Vec::new, |status| status.name().into_bytes()),
            arguments: arguments.trim_ascii_end().to_vec(),
        }
    }

    /// `struct elf_prpsinfo`, 136 bytes.
    fn note(&self, pid: u32) -> Vec<u8> {
        // State (a number and its letter), zombie, nice, padding, flags.
        let mut body = vec![0, b'R', 0, 0, 0, 0, 0, 0];
        body.extend_from_slice(&0u64.to_le_bytes());
        for value in [self.uid, self.gid, pid, self.parent, self.group, self.session] {
            body.extend_from_slice(&value.to_le_bytes());
        }
        text(&mut body, &self.name, 16);
        text(&mut body, &self.arguments, 80);
        body
    }
}

/// A text in a field of `size` bytes, the last of which ends it.
fn text(to: &mut Vec<u8>, text: &[u8], size: usize) {
    let end = to.len() + size;
    to.extend(text.iter().take(size - 1));
    to.resize(end, 0);
}

/// `struct elf_prstatus`, 336 bytes.
fn status(thread: &ThreadState, tid: u32, process: &Process, signal: i32) -> Vec<u8> {
    let mut body = Vec::with_capacity(336);
    // pr_info: signal, code, errno; then pr_cursig with padding.
    for value in [signal, 0, 0, signal] {
        body.extend_from_slice(&value.to_le_bytes());
    }
    // Pending and blocked signals.
    body.resize(32, 0);
    for value in [tid, process.parent, process.group, process.session] {
        body.extend_from_slice(&value.to_le_bytes());
    }
    // Four times: user, system, and those of its children.
    body.resize(112, 0);
    for value in thread.raw {
        body.extend_from_slice(&value.to_le_bytes());
    }
    body.extend_from_slice(&u32::from(thread.floating.is_some()).to_le_bytes());
    body.resize(336, 0);
    body
}

/// `siginfo_t`, 128 bytes.
fn siginfo(why: Why) -> Vec<u8> {
    let mut body = Vec::with_capacity(128);
    for value in [why.signal, 0, TRAP_BRKPT, 0] {
        body.extend_from_slice(&value.to_le_bytes());
    }
    body.extend_from_slice(&why.at.0.to_le_bytes());
    body.resize(128, 0);
    body
}

/// `NT_FILE`: how many, in which unit their offsets are; start, end and offset of each; the paths.
fn files(mappings: &[&Mapping]) -> Vec<u8> {
    let files: Vec<_> = mappings.iter().filter_map(|m| Some((m, m.path.as_ref()?))).collect();
    let mut body = Vec::new();
    let mut long = |value: u64| body.extend_from_slice(&value.to_le_bytes());
    long(files.len() as u64);
    long(PAGE);
    for (mapping, _) in &files {
        long(mapping.start.0);
        long(mapping.end.0);
        long(mapping.offset / PAGE);
    }
    for (_, path) in &files {
        body.extend_from_slice(path.as_os_str().as_bytes());
        body.push(0);
    }
    body
}
