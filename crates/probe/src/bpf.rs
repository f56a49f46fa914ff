//! Probes by BPF: the kernel itself stops the program, at the instruction.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use aya::maps::{Array, HashMap, MapData, MapError, RingBuf};
use aya::programs::uprobe::{UProbeAttachLocation, UProbeLink, UProbeScope};
use aya::programs::{ProgramError, UProbe};
use aya::{Ebpf, EbpfError, EbpfLoader};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Hit;

/// The program, made of bpf/stop.bpf.c by `cargo xtask bpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../bpf/stop.bpf.o");

/// In [`Bpf::stopped`]: it is stopped, and somebody has to let it go.
pub(crate) const IS_STOPPED: u32 = 1;
/// It was let go, and is not to be stopped again.
const IS_DONE: u32 = 2;

/// The program, loaded.
pub struct Bpf {
    ebpf: Ebpf,
    hits: RingBuf<MapData>,
    stopped: HashMap<MapData, u32, u32>,
    lost: Array<MapData, u64>,
}

/// Why BPF cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BpfError {
    /// The kernel does not take the program: for want of rights, or of age.
    #[error("the kernel does not take the BPF program: {0}")]
    Load(#[from] EbpfError),
    /// The kernel does not take the program.
    #[error("the kernel does not take the BPF program: {0}")]
    Program(#[from] ProgramError),
    /// A map of the program cannot be used.
    #[error("a map of the BPF program cannot be used: {0}")]
    Map(#[from] MapError),
    /// What the object should have is not in it.
    #[error("the BPF object has no {0}")]
    Object(&'static str),
    /// A file of `/proc` that tells our PID namespace.
    #[error("/proc/self/ns/pid: {0}")]
    Namespace(std::io::Error),
}

/// Probes in an executable's file. They are taken out when this is dropped.
#[must_use = "the probes are taken out as soon as this is dropped"]
pub struct Armed(Vec<UProbeLink>);

/// How many probes are taken out at a time.
const AT_ONCE: usize = 64;

impl Drop for Armed {
    /// The kernel waits after each until no processor can be at it any more. It waits for all of them
    /// no longer than for one, if asked at the same time.
    fn drop(&mut self) {
        while !self.0.is_empty() {
            let some = self.0.split_off(self.0.len().saturating_sub(AT_ONCE));
            std::thread::scope(|scope| {
                for link in some {
                    scope.spawn(move || drop(link));
                }
            });
        }
    }
}

impl Bpf {
    /// Loads the program. Nothing is armed yet.
    ///
    /// # Errors
    /// The kernel refuses: CAP_BPF and CAP_PERFMON, or root, and Linux 5.8 are wanted.
    pub fn load() -> Result<Bpf, BpfError> {
        let ns = std::fs::metadata("/proc/self/ns/pid").map_err(BpfError::Namespace)?;
        let mut loader = EbpfLoader::new();
        let (device, inode) = (kernel_device(ns.dev()), ns.ino());
        let mut ebpf = loader
            .override_global("ns_device", &device, true)
            .override_global("ns_inode", &inode, true)
            .load(OBJECT)?;
        let mut map = |name| ebpf.take_map(name).ok_or(BpfError::Object(name));
        let hits = RingBuf::try_from(map("hits")?)?;
        let stopped = HashMap::try_from(map("stopped")?)?;
        let lost = Array::try_from(map("lost")?)?;
        let mut bpf = Bpf { ebpf, hits, stopped, lost };
        bpf.program()?.load()?;
        Ok(bpf)
    }

    fn program(&mut self) -> Result<&mut UProbe, BpfError> {
        let program = self.ebpf.program_mut("stop").ok_or(BpfError::Object("program `stop`"))?;
        Ok(program.try_into()?)
    }

    /// Puts a probe at each of these offsets in the file `exe`, in bytes: for one process that runs
    /// it, or for all that do and will.
    ///
    /// # Errors
    /// The kernel refuses one; those before are taken out again.
    pub fn arm(
        &mut self,
        exe: &Path,
        pid: Option<u32>,
        offsets: &[u64],
    ) -> Result<Armed, BpfError> {
        let program = self.program()?;
        let mut links = Vec::new();
        for offset in offsets {
            let scope = match pid.and_then(std::num::NonZeroU32::new) {
                Some(pid) => UProbeScope::OneProcess(pid),
                None => UProbeScope::AllProcesses,
            };
            let link = program.attach(UProbeAttachLocation::AbsoluteOffset(*offset), exe, scope)?;
            links.push(program.take_link(link)?);
        }
        Ok(Armed(links))
    }

    /// The next hit, if one comes within `patience` or there is one already.
    pub fn next(&mut self, patience: Duration) -> Option<Hit> {
        if let Some(hit) = self.pending() {
            return Some(hit);
        }
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        // A signal ends it early, which is as good as its time being over.
        let _ = poll(&mut [PollFd::new(self.hits.as_fd(), PollFlags::POLLIN)], timeout);
        self.pending()
    }

    fn pending(&mut self) -> Option<Hit> {
        while let Some(item) = self.hits.next() {
            if let Some(hit) = Hit::parse(&item) {
                return Some(hit);
            }
        }
        None
    }

    /// Says that `pid` has been let go, and whether it may be stopped again.
    ///
    /// # Errors
    /// The kernel does not take it.
    pub fn let_go(&mut self, pid: u32, again: bool) -> Result<(), BpfError> {
        match again {
            true => self.stopped.remove(&pid)?,
            false => self.stopped.insert(pid, IS_DONE, 0)?,
        }
        Ok(())
    }

    /// How many hits there was no room for: their processes were not stopped.
    pub fn lost(&self) -> u64 {
        self.lost.get(&0, 0).unwrap_or(0)
    }

    /// The processes that are stopped now.
    pub(crate) fn stopped(&self) -> Vec<u32> {
        let entries = self.stopped.iter().filter_map(Result::ok);
        entries.filter(|(_, state)| *state == IS_STOPPED).map(|(pid, _)| pid).collect()
    }
}

/// A device number as the kernel has it (`MKDEV` of include/linux/kdev_t.h), from that of `stat`.
fn kernel_device(device: u64) -> u64 {
    u64::from(nix::libc::major(device)) << 20 | u64::from(nix::libc::minor(device))
}
