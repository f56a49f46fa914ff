//! Cores: written by the kernel and by gcore, cut short, garbled, compressed.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use mapscope_target::{
    Addr, Core, FileKind, HeaderError, Kind, Memory, MemoryExt, OpenCoreError, Packing, Progress,
    Reads, Recorder, Recording, Target, Why,
};

use crate::common::{Actor, Dir, has_program, say, skip, until_stdin_closes};
use crate::synthetic::{Load, SparseCore};

/// In the data of the child; also found in its core.
static MARK: [u8; 32] = *b"the mark that a core must keep  ";
/// Written by the child, so that the page is in every core.
static mut WRITTEN: [u8; 8192] = [0; 8192];
/// Where it faults.
const FAULT: u64 = 0x10;
/// Threads it has besides those of the test harness.
const THREADS: usize = 3;

/// A child that faults when its input closes (`crash`), or waits to be dumped (`sit`).
pub(crate) fn dumpee(role: &str) -> ! {
    for _ in 0..THREADS {
        std::thread::spawn(|| {
            loop {
                std::thread::park()
            }
        });
    }
    let written = &raw mut WRITTEN;
    // SAFETY: byte 4096 of the static lies within it, and nobody else in this process uses it.
    unsafe { written.cast::<[u8; 32]>().add(128).write(MARK) };
    say(format_args!("ready {} {}", written as u64 + 4096, dumpee as fn(&str) -> ! as usize));
    if role == "sit" {
        until_stdin_closes();
    }
    let unlimited = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: setrlimit reads the structure it is given, and that is all.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &unlimited) };
    // SAFETY: none: this is to fault.
    let byte = unsafe { std::ptr::read_volatile(FAULT as usize as *const u8) };
    unreachable!("{byte}");
}

/// A core of a child, and what the child said of itself.
struct Dumped {
    dir: Dir,
    path: PathBuf,
    pid: u32,
    mark: Addr,
    code: Addr,
}

impl Dumped {
    fn by(dir: Dir, path: PathBuf, pid: u32, said: &str) -> Dumped {
        let (mark, code) = said.split_once(' ').unwrap();
        let [mark, code] = [mark, code].map(|word| Addr(word.parse().unwrap()));
        Dumped { dir, path, pid, mark, code }
    }

    fn open(&self) -> Core {
        Core::open(&self.path, &Progress::default()).unwrap()
    }

    fn assert_has_mark(&self, core: &Core) {
        assert_eq!(core.array(self.mark), Ok(MARK));
    }
}

/// Lets the kernel write a core, where it writes them to the working directory.
fn by_kernel(test: &str) -> Option<Dumped> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.starts_with(['|', '/', '@']) || pattern.contains('%') || pattern.trim().is_empty() {
        skip(test, &format!("core_pattern is {pattern:?}"));
        return None;
    }
    let dir = Dir::new(test);
    let (mut actor, said) = Actor::start_as("crash", |command| {
        command.current_dir(&dir.0);
    });
    actor.child.wait().unwrap();
    let found = std::fs::read_dir(&dir.0).unwrap().next();
    let Some(found) = found else {
        skip(test, "the kernel wrote no core (a hard limit of 0?)");
        return None;
    };
    let path = found.unwrap().path();
    Some(Dumped::by(dir, path, actor.pid, &said))
}

/// Lets gdb write a core of a child that waits.
fn by_gcore(test: &str) -> Option<Dumped> {
    if !has_program("gcore") {
        skip(test, "gcore is not installed");
        return None;
    }
    let dir = Dir::new(test);
    let (actor, said) = Actor::start("sit");
    let prefix = dir.0.join("gcore");
    let out = Command::new("gcore").arg("-o").arg(&prefix).arg(actor.pid.to_string()).output();
    let path = dir.0.join(format!("gcore.{}", actor.pid));
    if !path.exists() {
        skip(test, &format!("gcore wrote nothing: {out:?}"));
        return None;
    }
    Some(Dumped::by(dir, path, actor.pid, &said))
}

fn exe() -> PathBuf {
    std::fs::canonicalize(std::env::current_exe().unwrap()).unwrap()
}

/// Eight bytes of the executable's own code, found by its mapping.
fn code_in_file(core: &Core, code: Addr) -> [u8; 8] {
    let mapping = core.mappings().iter().find(|m| m.contains(code)).unwrap();
    assert_eq!(mapping.path.as_deref(), Some(exe().as_path()));
    assert!(mapping.access.execute && !mapping.access.write);
    let mut bytes = [0; 8];
    let at = mapping.offset + code.offset_from(mapping.start).unwrap();
    std::fs::File::open(exe()).unwrap().read_exact_at(&mut bytes, at).unwrap();
    bytes
}

#[test]
fn written_by_the_kernel() {
    let Some(dumped) = by_kernel("written_by_the_kernel") else { return };
    let mut core = dumped.open();
    dumped.assert_has_mark(&core);
    assert_eq!((core.kind(), core.pid(), core.truncated()), (Kind::Core, Some(dumped.pid), None));
    let threads = core.threads();
    assert!(threads.len() > THREADS, "{threads:?}");
    let crash = core.crash().unwrap();
    assert_eq!((crash.signal, crash.addr, crash.code), (11, Some(Addr(FAULT)), Some(1)));
    assert_eq!(crash.tid, threads[0].tid);
    for registers in threads.iter().map(|thread| thread.registers.unwrap()) {
        assert!(core.u64(registers.rsp()).is_ok());
        assert!(core.mappings().iter().any(|m| m.contains(Addr(registers.rip))));
        assert_ne!(registers.fs_base, 0);
    }
    assert_eq!(core.exe_path(), Some(exe()));
    assert_eq!(core.borrow(dumped.mark, 32), Some(&MARK[..]));
    assert_eq!(core.u64(Addr(FAULT)).unwrap_err().why, Why::Unmapped);
    assert_eq!(core.u64(dumped.code).unwrap_err().why, Why::NotInCore);
    let whole = std::fs::read(exe()).unwrap();
    assert!(core.splice(&exe(), Box::new(whole)) > 0);
    assert_eq!(core.array(dumped.code), Ok(code_in_file(&core, dumped.code)));
    dumped.assert_has_mark(&core);
}

#[test]
fn written_by_gcore() {
    let Some(dumped) = by_gcore("written_by_gcore") else { return };
    let core = dumped.open();
    dumped.assert_has_mark(&core);
    assert_eq!((core.pid(), core.truncated(), core.crash()), (Some(dumped.pid), None, None));
    assert!(core.threads().len() > THREADS);
    assert!(core.threads().iter().all(|t| core.u64(t.registers.unwrap().rsp()).is_ok()));
    assert_eq!(core.exe_path(), Some(exe()));
}

#[test]
fn cut_short_anywhere() {
    let Some(dumped) = by_kernel("cut_short_anywhere") else { return };
    let whole = std::fs::read(&dumped.path).unwrap();
    let near = (0..8192).step_by(61);
    let far = (1..20).map(|part| whole.len() / 20 * part);
    for len in near.chain(far).chain([whole.len() - 1]) {
        let core = match Core::from_bytes(whole[..len].to_vec()) {
            Ok(core) => core,
            Err(_) => {
                assert!(len < 4096, "{len}");
                continue;
            }
        };
        let truncation = core.truncated().unwrap();
        assert_eq!(truncation.present, len as u64);
        let mark = core.array(dumped.mark);
        assert!(
            mark == Ok(MARK) || matches!(mark.unwrap_err().why, Why::Truncated | Why::Unmapped)
        );
        read_everywhere(&core);
    }
}

/// Reads and borrows at the ends of every mapping: nothing may panic.
fn read_everywhere(core: &Core) {
    let mut buf = [0; 64];
    for mapping in core.mappings() {
        for addr in [mapping.start.0, mapping.end.0 - 1, mapping.end.0.saturating_sub(32)] {
            let read = core.read(Addr(addr), &mut buf).is_ok();
            assert!(read || core.borrow(Addr(addr), 64).is_none());
        }
    }
    for thread in core.threads() {
        let _ = thread.registers.map(|registers| core.u64(registers.rsp()));
    }
    let _ = (core.exe_path(), core.crash(), core.auxv());
}

#[test]
fn garbled_headers_never_panic() {
    let Some(dumped) = by_kernel("garbled_headers_never_panic") else { return };
    let mut whole = std::fs::read(&dumped.path).unwrap();
    whole.truncate(24 << 10);
    // xorshift64: the same garbage each time.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let exe: std::sync::Arc<[u8]> = std::fs::read(exe()).unwrap()[..65536].into();
    let mut opened = 0;
    for round in 0..6000 {
        let mut bytes = whole.clone();
        for _ in 0..=round % 5 {
            // Every other byte hits the ELF header and the program headers, the rest the notes.
            let span = if random() % 2 == 0 { 2048 } else { 16 << 10 };
            let at = (random() % span) as usize;
            bytes[at] = [0, 0xff, random() as u8][(random() % 3) as usize];
        }
        if let Ok(mut core) = Core::from_bytes(bytes) {
            opened += 1;
            read_everywhere(&core);
            core.splice(&self::exe(), Box::new(exe.to_vec()));
            read_everywhere(&core);
        }
    }
    assert!(opened > 3000, "{opened}");
}

#[test]
fn compressed() {
    let Some(dumped) = by_kernel("compressed") else { return };
    let plain = dumped.open();
    for (program, packing) in [("zstd", Packing::Zstd), ("lz4", Packing::Lz4)] {
        let packed = dumped.dir.0.join(program);
        if !has_program(program) {
            skip("compressed", &format!("{program} is not installed"));
            continue;
        }
        let out = std::fs::File::create(&packed).unwrap();
        let status = Command::new(program).arg("-cq").arg(&dumped.path).stdout(out).status();
        assert!(status.unwrap().success());
        assert_eq!(FileKind::of(&packed).unwrap(), FileKind::Packed(packing));
        let core = Core::open(&packed, &Progress::default()).unwrap();
        assert_eq!(core.truncated(), None);
        assert_same(&plain, &core);
        dumped.assert_has_mark(&core);
        damage(&dumped, &std::fs::read(&packed).unwrap(), packing);
    }
}

/// The same mappings with the same bytes.
fn assert_same(a: &Core, b: &Core) {
    assert_eq!(a.mappings(), b.mappings());
    assert_eq!(a.threads(), b.threads());
    for mapping in a.mappings() {
        let len = mapping.end.0 - mapping.start.0;
        assert_eq!(a.bytes(mapping.start, len, u64::MAX), b.bytes(mapping.start, len, u64::MAX));
    }
}

/// What a compressed core says that was cut short or garbled.
fn damage(dumped: &Dumped, packed: &[u8], packing: Packing) {
    for part in [1, 3, 7] {
        let cut = dumped.dir.file("cut", &packed[..packed.len() / 8 * part]);
        match Core::open(&cut, &Progress::default()) {
            Ok(core) => assert!(core.truncated().is_some()),
            // A stream so short that not even the headers are in what was decompressed.
            Err(e) => assert!(
                matches!(e, OpenCoreError::Header { .. } | OpenCoreError::Packed { .. }),
                "{packing:?} {part}: {e}"
            ),
        }
        let mut garbled = packed.to_vec();
        let at = packed.len() / 8 * part;
        garbled[at..at + 16].fill(0xa5);
        if let Ok(core) = Core::open(&dumped.dir.file("garbled", &garbled), &Progress::default()) {
            read_everywhere(&core);
        }
    }
}

#[test]
fn frames_one_after_the_other() {
    let dir = Dir::new("frames");
    let core = SparseCore::new(&[Load::of(0x1000, 0x4000)]).bytes(0x55);
    let (head, tail) = core.split_at(5000);
    let mut zstd = Vec::new();
    let mut lz4 = Vec::new();
    for part in [head, tail] {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        zstd.extend(ruzstd::encoding::compress_to_vec(part, level));
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(part).unwrap();
        lz4.extend(encoder.finish().unwrap());
    }
    for (name, packed) in [("zstd", zstd), ("lz4", lz4)] {
        let opened = Core::open(&dir.file(name, &packed), &Progress::default()).unwrap();
        assert_eq!(opened.truncated(), None, "{name}");
        assert_eq!(opened.u64(Addr(0x4ff8)), Ok(0x5555_5555_5555_5555), "{name}");
    }
}

/// `pzstd` writes a frame to be skipped before each (RFC 8878, section 3.1.2).
#[test]
fn frames_that_are_to_be_skipped() {
    let dir = Dir::new("skipped");
    let core = SparseCore::new(&[Load::of(0x1000, 0x4000)]).bytes(0x55);
    let mut zstd = Vec::new();
    for part in core.chunks(5000) {
        zstd.extend(b"\x50\x2a\x4d\x18\x04\0\0\0size");
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        zstd.extend(ruzstd::encoding::compress_to_vec(part, level));
    }
    let opened = Core::open(&dir.file("pzstd", &zstd), &Progress::default()).unwrap();
    assert_eq!(opened.truncated(), None);
    assert_eq!(opened.u64(Addr(0x4ff8)), Ok(0x5555_5555_5555_5555));
}

/// A decoder holds back what later blocks may refer to; where the stream is cut, nothing does.
#[test]
fn what_was_decoded_before_a_cut_is_there() {
    let dir = Dir::new("cut");
    let core = SparseCore::new(&[Load::of(0x1000, 1 << 20)]).bytes(0x55);
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let packed = ruzstd::encoding::compress_to_vec(&core[..], level);
    // Within the last of its blocks, of 128 KiB each.
    let path = dir.file("cut", &packed[..packed.len() - 6]);
    let cut = Core::open(&path, &Progress::default()).unwrap().truncated().unwrap();
    assert!(cut.stream);
    // With a checksum behind the last block, which features of other crates turn on, only that block.
    assert!(cut.present / (128 << 10) >= 7, "{cut:?}");
}

#[test]
fn cancelled_while_it_decompresses() {
    let dir = Dir::new("cancelled");
    let core = SparseCore::new(&[Load::of(0x1000, 0x4000)]).bytes(0x55);
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let packed = dir.file("core", &ruzstd::encoding::compress_to_vec(&core[..], level));
    let progress = Progress::default();
    progress.cancel();
    assert!(matches!(Core::open(&packed, &progress), Err(OpenCoreError::Cancelled)));
}

#[test]
fn a_large_core_does_not_stay_in_memory() {
    const SIZE: u64 = 512 << 20;
    const BUDGET: usize = 8 << 20;
    let dir = Dir::new("resident");
    let path = dir.0.join("large.core");
    SparseCore::new(&[Load::of(0x1000, SIZE)]).write(&path);
    let mut core = Core::open(&path, &Progress::default()).unwrap();
    for reads in [Reads::Sparse, Reads::Dense] {
        core.expect_reads(reads, BUDGET);
        let lent = core.borrow(Addr(0x1000), 4096).unwrap();
        let mut most = 0;
        for addr in (0x1000..SIZE).step_by(4096) {
            assert_eq!(core.u64(Addr(addr)), Ok(0));
            if addr % (16 << 20) == 0x1000 {
                most = most.max(resident(&path));
            }
        }
        assert!(most > 0 && most <= BUDGET as u64 * 5 / 4, "{reads:?}: {most} bytes were resident");
        assert!(lent.iter().all(|&byte| byte == 0), "what was lent out stays readable");
    }
}

/// The bytes of our mappings of a file that are resident.
fn resident(path: &Path) -> u64 {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut within = false;
    let mut kib = 0;
    for line in smaps.lines() {
        if line.split('-').next().is_some_and(|word| u64::from_str_radix(word, 16).is_ok()) {
            within = line.ends_with(path.to_str().unwrap());
        } else if let Some(rss) = line.strip_prefix("Rss:").filter(|_| within) {
            kib += rss.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        }
    }
    kib << 10
}

#[test]
fn more_segments_than_the_header_can_count() {
    let loads: Vec<Load> = (1..=70_000).map(|i| Load::of(i << 20, 8)).collect();
    let core = SparseCore::new(&loads);
    let core = Core::from_bytes(core.bytes(7)).unwrap();
    assert_eq!((core.mappings().len(), core.truncated()), (70_000, None));
    assert_eq!(core.u8(Addr(70_000 << 20)), Ok(7));
}

#[test]
fn what_is_no_core() {
    let dir = Dir::new("no-core");
    let open = |path: &Path| Core::open(path, &Progress::default()).unwrap_err();
    let header = |error: OpenCoreError| match error {
        OpenCoreError::Header { source, .. } => source,
        other => panic!("{other}"),
    };
    assert!(matches!(header(open(&exe())), HeaderError::NotCore(_)));
    assert_eq!(FileKind::of(&exe()).unwrap(), FileKind::Executable);
    assert!(matches!(header(open(&dir.file("empty", b""))), HeaderError::Foreign(_)));
    assert!(matches!(header(open(&dir.file("text", b"hello"))), HeaderError::Foreign(_)));
    assert!(matches!(open(&dir.0), OpenCoreError::NotAFile { .. }));
    assert!(matches!(open(Path::new("/dev/zero")), OpenCoreError::NotAFile { .. }));
    assert!(matches!(open(&dir.0.join("none")), OpenCoreError::Io { .. }));
    let bomb = dir.file("bad", b"\x28\xb5\x2f\xfd garbage");
    assert!(matches!(open(&bomb), OpenCoreError::Packed { .. }));
    let mut small = SparseCore::new(&[Load::of(0x1000, 8)]).bytes(1);
    small[4] = 1;
    assert_eq!(header(open(&dir.file("32", &small))).to_string(), "it is a 32-bit ELF file");
}

#[test]
fn spliced_by_the_executables_own_segments() {
    let load = Load { in_core: 0, ..Load::of(0x40_1000, 0x2000) };
    let writable = Load { in_core: 0, flags: 6, ..Load::of(0x50_0000, 0x1000) };
    let mut core = Core::from_bytes(SparseCore::new(&[load, writable]).bytes(0)).unwrap();
    assert_eq!(core.u8(Addr(0x40_1000)).unwrap_err().why, Why::NotInCore);
    let file: Vec<u8> = (0..=255).cycle().take(0x1800).collect();
    let segment = |addr, writable| mapscope_target::FileSegment {
        addr,
        offset: 0x100,
        size: 0x2000,
        writable,
    };
    let segments = [segment(0x1000, false), segment(0x10_0000, false), segment(0x10_0000, true)];
    // Half of the second segment has no header in the core at all.
    assert_eq!(core.splice_at(0x40_0000, &segments, Box::new(file)), 0x3000);
    assert_eq!(core.u8(Addr(0x50_1000)), Ok(0));
    assert_eq!(core.u8(Addr(0x40_1005)), Ok(5));
    assert_eq!(core.u8(Addr(0x40_1000 + 0x16ff)), Ok(0xff));
    // The file ends before the segment does.
    assert_eq!(core.u8(Addr(0x40_1000 + 0x1700)).unwrap_err().why, Why::NotInCore);
    assert_eq!(core.u8(Addr(0x50_0000)).unwrap_err().why, Why::NotInCore);
}

#[test]
fn what_the_process_could_not_read_is_not_lost() {
    let reserved = Load { in_core: 0, flags: 0, ..Load::of(0x40_0000, 0x2000) };
    let filtered = Load { in_core: 0, ..Load::of(0x50_0000, 0x1000) };
    // A page that was written to and then made inaccessible is in the core.
    let guarded = Load { flags: 0, ..Load::of(0x60_0000, 0x1000) };
    let core = SparseCore::new(&[reserved, filtered, guarded]).bytes(3);
    let core = Core::from_bytes(core).expect("a core");
    assert_eq!(core.u8(Addr(0x40_1000)).unwrap_err().why, Why::Unmapped);
    assert_eq!(core.u8(Addr(0x60_0000)), Ok(3));
    assert_eq!(core.lost(), 0);
    assert_eq!(core.u8(Addr(0x50_0000)).unwrap_err().why, Why::NotInCore);
    assert_eq!(core.lost(), 1);
    let recorder = Recorder::new(&core);
    let mut file = Vec::new();
    recorder.write(&mut file, 0, &[], false).expect("memory takes all");
    let recording = Recording::from_bytes(&file, 1 << 20).expect("a recording");
    assert_eq!(recording.u8(Addr(0x40_1000)).unwrap_err().why, Why::Unmapped);
    assert_eq!(recording.lost(), 0);
    assert_eq!(recording.u8(Addr(0x50_0000)).unwrap_err().why, Why::NotRecorded);
    assert_eq!(recording.lost(), 1);
}
