//! All probes of an executable at once (`BPF_TRACE_UPROBE_MULTI`, since Linux 6.6).
//!
//! The kernel waits at each probe that it takes out until no processor can be at it any more: for many
//! that were put in one by one this takes seconds, for all at once no longer than for one. aya has no
//! such links; this makes them by the system calls themselves (include/uapi/linux/bpf.h).

use std::collections::HashSet;
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aya_obj::Object;
use nix::errno::Errno;
use nix::libc;

const PROG_LOAD: i32 = 5;
const LINK_CREATE: i32 = 28;
const KPROBE: u32 = 2;
const UPROBE_MULTI: u32 = 48;

/// The program, loaded for such links.
pub(crate) struct Many(OwnedFd);

/// `struct { … } /* BPF_PROG_LOAD */` of `union bpf_attr`, as far as it is needed.
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach: u32,
}

/// `struct { … } /* BPF_LINK_CREATE */` with `uprobe_multi`.
#[repr(C)]
struct Link {
    program: u32,
    target: u32,
    attach: u32,
    flags: u32,
    path: u64,
    offsets: u64,
    counters: u64,
    cookies: u64,
    count: u32,
    link_flags: u32,
    pid: u32,
    padding: u32,
}

impl Many {
    /// Loads the program of `object` with these maps, by their names; `None` where the kernel has no
    /// such links, or has them with their first fault: until Linux 6.10 they knew one thread of a
    /// process only.
    pub(crate) fn load(object: &[u8], maps: &[(&str, RawFd)]) -> Option<Many> {
        let mut object = Object::parse(object).ok()?;
        let declared = std::mem::take(&mut object.maps);
        let known = declared.iter().filter_map(|(name, map)| {
            let fd = maps.iter().find(|(own, _)| own == name)?.1;
            Some((name.as_str(), fd, map))
        });
        let sections: HashSet<usize> = object.functions.keys().map(|key| key.0).collect();
        object.relocate_maps(known, &sections).ok()?;
        object.relocate_calls(&sections).ok()?;
        let program = object.programs.get("stop")?;
        let function = object.functions.get(&program.function_key())?;
        let load = Load {
            kind: KPROBE,
            count: function.instructions.len() as u32,
            instructions: function.instructions.as_ptr() as u64,
            license: program.license.as_ptr() as u64,
            log_level: 0,
            log_size: 0,
            log: 0,
            kernel: 0,
            flags: 0,
            name: *b"stop\0\0\0\0\0\0\0\0\0\0\0\0",
            interface: 0,
            attach: UPROBE_MULTI,
        };
        let many = Many(bpf(PROG_LOAD, &load).ok()?);
        let root = CString::new("/").ok()?;
        // A process that cannot be: who knows processes says so, who knows threads looks for one.
        let refused = many.link(&root, &[1], u32::MAX);
        refused.is_err_and(|errno| errno == Errno::EINVAL).then_some(many)
    }

    /// Puts a probe at each of these offsets, for one process or for all (0).
    pub(crate) fn arm(&self, exe: &Path, pid: u32, offsets: &[u64]) -> Result<OwnedFd, Errno> {
        let exe = CString::new(exe.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
        self.link(&exe, offsets, pid)
    }

    fn link(&self, exe: &CString, offsets: &[u64], pid: u32) -> Result<OwnedFd, Errno> {
        let link = Link {
            program: self.0.as_raw_fd() as u32,
            target: 0,
            attach: UPROBE_MULTI,
            flags: 0,
            path: exe.as_ptr() as u64,
            offsets: offsets.as_ptr() as u64,
            counters: 0,
            cookies: 0,
            count: offsets.len() as u32,
            link_flags: 0,
            pid,
            padding: 0,
        };
        bpf(LINK_CREATE, &link)
    }
}

/// A command that makes a descriptor.
fn bpf<T>(command: i32, attributes: &T) -> Result<OwnedFd, Errno> {
    let size = std::mem::size_of::<T>();
    // SAFETY: the kernel reads `size` bytes of attributes, and what they point to lives as long as the
    // caller's references; the descriptor that it makes nobody else has.
    unsafe {
        let fd = libc::syscall(libc::SYS_bpf, command, attributes as *const T, size);
        Errno::result(fd).map(|fd| OwnedFd::from_raw_fd(fd as RawFd))
    }
}
