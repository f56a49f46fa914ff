//! Recordings: as they lie in a file, and what is in them with its compression taken off.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapscope_binary::Elf;
use mapscope_runtime::Image;
use mapscope_target::{Addr, Memory, Progress, RECORDING_MAGIC, Recorder, Recording, Target};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// What is taken of a recording, in bytes.
const MOST: u64 = 1 << 20;
/// Larger files of executables are not laid out: most of it would be zeros.
const LARGEST_EXE: u64 = 1 << 16;

fuzz_target!(|data: &[u8]| {
    let Some((how, rest)) = data.split_first() else { return };
    if how & 1 == 0 {
        let _ = Recording::from_bytes(rest, MOST).map(|recording| whole(&recording, rest.len()));
        return;
    }
    let packed = compress_to_vec(rest, CompressionLevel::Uncompressed);
    let file = [&RECORDING_MAGIC[..], &1u32.to_le_bytes(), &packed].concat();
    let Ok(recording) = Recording::from_bytes(&file, MOST) else { return };
    whole(&recording, rest.len());
    again(&recording);
    executable(&recording);
});

/// What it says of the process is bounded by its length, and what it reads by what it has.
fn whole(recording: &Recording, len: usize) {
    assert!(recording.threads().len() <= len && recording.auxv().len() <= len / 16);
    assert!(recording.mappings().windows(2).all(|pair| pair[0].end <= pair[1].start));
    let _ = (recording.pid(), recording.crash(), recording.exe_path(), recording.mixes_moments());
    let parts = recording.exe_parts();
    assert_eq!(parts.len(), recording.exe_ranges().len());
    for (part, range) in parts.iter().zip(recording.exe_ranges()) {
        assert_eq!(part.offset..part.offset + part.bytes.len() as u64, range);
        assert!(range.end <= recording.exe_len());
    }
    for mapping in recording.mappings().iter().take(16) {
        for at in [mapping.start.0, mapping.end.0.wrapping_sub(4), mapping.end.0] {
            read(recording, Addr(at));
        }
    }
    for at in [0, 0xfff, u64::MAX - 3] {
        read(recording, Addr(at));
    }
}

/// All of a read or nothing, the same twice, and the same as what is lent.
fn read(recording: &Recording, addr: Addr) {
    let (mut first, mut again) = ([0x55; 8], [0xaa; 8]);
    let outcome = recording.read(addr, &mut first);
    assert_eq!(outcome, recording.read(addr, &mut again));
    if outcome.is_ok() {
        assert_eq!(first, again);
        assert!(recording.borrow(addr, 8).is_none_or(|lent| lent == first));
    }
}

/// Recorded once more it has what was read of it, and says the same of the process.
fn again(recording: &Recording) {
    let recorder = Recorder::new(recording);
    let starts = recording.mappings().iter().take(8).map(|mapping| mapping.start);
    let read: Vec<_> = starts.filter(|at| recorder.read(*at, &mut [0; 8]).is_ok()).collect();
    let mut file = Vec::new();
    let written = recorder.write(&mut file, recording.exe_len(), &recording.exe_parts(), false);
    written.expect("memory takes all");
    let second = Recording::from_bytes(&file, 64 * MOST).expect("what was written can be read");
    assert_eq!(recording.mappings(), second.mappings());
    assert_eq!(recording.threads(), second.threads());
    assert_eq!(recording.exe_ranges(), second.exe_ranges());
    for at in read {
        let [mut one, mut other] = [[0; 8]; 2];
        assert_eq!((recording.read(at, &mut one), second.read(at, &mut other)), (Ok(()), Ok(())));
        assert_eq!(one, other);
    }
}

/// The executable that it has parts of may be anything.
fn executable(recording: &Recording) {
    if recording.exe_len() > LARGEST_EXE {
        return;
    }
    let exe = recording.exe_bytes();
    let Ok(elf) = Elf::parse_kept(&exe, &recording.exe_ranges()) else { return };
    if let Ok(image) = Image::parse(&elf) {
        let _ = mapscope_runtime::Go::open(&image, recording, &Progress::default()).is_ok();
    }
}
