//! Probes by BPF: the kernel itself stops the program, at the instruction.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use aya::maps::{Array, HashMap, Map, MapData, MapError, RingBuf};
use aya::programs::uprobe::{UProbeAttachLocation, UProbeLink, UProbeScope};
use aya::programs::{ProgramError, UProbe};
use aya::{Ebpf, EbpfError, EbpfLoader};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Hit;
use crate::many::Many;

/// The program, made of bpf/stop.bpf.c by `cargo xtask bpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../bpf/stop.bpf.o");

/// What the program is told when it is loaded, in the map that aya makes for it.
const SETTINGS: &str = ".rodata";

/// In [`Bpf::stopped`]: it is stopped, and somebody has to let it go.
pub(crate) const IS_STOPPED: u32 = 1;
/// It was let go, and is not to be stopped again.
const IS_DONE: u32 = 2;

/// The program, loaded.
pub struct Bpf {
    ebpf: Ebpf,
    many: Option<Many>,
    hits: RingBuf<MapData>,
    stopped: HashMap<MapData, u32, u32>,
    lost: Array<MapData, u64>,
    _settings: Map,
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
pub struct Armed(#[expect(dead_code, reason = "held for its Drop")] Links);

/// What holds the probes.
enum Links {
    Many(#[expect(dead_code, reason = "held for its Drop")] OwnedFd),
    Each(#[expect(dead_code, reason = "held for its Drop")] Vec<UProbeLink>),
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
        let maps = [map("hits")?, map("stopped")?, map("lost")?, map(SETTINGS)?];
        let fds = ["hits", "stopped", "lost", SETTINGS].into_iter().zip(maps.iter().filter_map(fd));
        let many = Many::load(OBJECT, &fds.collect::<Vec<_>>());
        let [hits, stopped, lost, settings] = maps;
        let (hits, stopped) = (RingBuf::try_from(hits)?, HashMap::try_from(stopped)?);
        let lost = Array::try_from(lost)?;
        let mut bpf = Bpf { ebpf, many, hits, stopped, lost, _settings: settings };
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
        // Where it does not do after all, one by one does.
        let many = self.many.as_ref().and_then(|m| m.arm(exe, pid.unwrap_or(0), offsets).ok());
        if let Some(many) = many {
            return Ok(Armed(Links::Many(many)));
        }
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
        Ok(Armed(Links::Each(links)))
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

    /// Says that `pid` is let go, and whether it may be stopped again. To be called while it is held by
    /// other means: what it does next may come to a probe.
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

    /// Whether `pid` is stopped now.
    pub fn has_stopped(&self, pid: u32) -> bool {
        self.stopped.get(&pid, 0).is_ok_and(|state| state == IS_STOPPED)
    }

    /// The processes that are stopped now.
    pub(crate) fn stopped(&self) -> Vec<u32> {
        let entries = self.stopped.iter().filter_map(Result::ok);
        entries.filter(|(_, state)| *state == IS_STOPPED).map(|(pid, _)| pid).collect()
    }
}

/// The descriptor of a map, of the kinds that there are.
fn fd(map: &Map) -> Option<RawFd> {
    match map {
        Map::RingBuf(map) | Map::HashMap(map) | Map::Array(map) => {
            Some(map.fd().as_fd().as_raw_fd())
        }
        _ => None,
    }
}

/// A device number as the kernel has it (`MKDEV` of include/linux/kdev_t.h), from that of `stat`.
fn kernel_device(device: u64) -> u64 {
    u64::from(nix::libc::major(device)) << 20 | u64::from(nix::libc::minor(device))
}
