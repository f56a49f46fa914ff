//! Recordings: what was read is there, nothing else is, and a damaged file is refused.

use std::io::Read;

use mapscope_target::{
    Addr, Core, ExePart, FormatError, Kind, MemoryExt, Recorder, Recording, Target, Why,
};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::synthetic::{Load, SparseCore};

const LIMIT: u64 = 1 << 20;
/// The magic and the version.
const HEAD: usize = 16;

/// A core of two segments, the second of which is 100 bytes longer than a page, and lacks a page
/// that it should have.
fn core() -> Core {
    let second = Load { addr: 0x9000, size: 0x2064, in_core: 0x1064, flags: 6 };
    let loads = [Load::of(0x1000, 0x4000), second];
    Core::from_bytes(SparseCore::new(&loads).bytes(7)).expect("a core")
}

/// What is read of it, as a file.
fn recorded() -> Vec<u8> {
    let core = core();
    let recorder = Recorder::new(&core);
    assert!(recorder.u64(Addr(0x2ff8)).is_ok());
    assert!(recorder.bytes(Addr(0x4ff0), 16, 16).is_ok());
    assert!(recorder.u8(Addr(0xa063)).is_ok());
    assert!(recorder.u64(Addr(0xb000)).is_err());
    assert!(recorder.u64(Addr(0x7000)).is_err());
    let mut file = Vec::new();
    let parts = [ExePart { offset: 64, bytes: b"section" }, ExePart { offset: 0, bytes: b"head" }];
    let written = recorder.write(&mut file, 100, &parts, true).expect("memory takes all");
    assert_eq!((written.memory, written.exe, written.lost), (0x2064, 11, 0));
    file
}

fn open(file: &[u8]) -> Result<Recording, FormatError> {
    Recording::from_bytes(file, LIMIT)
}

#[test]
fn what_was_read_is_there_and_nothing_else() {
    let recording = open(&recorded()).expect("a recording");
    assert_eq!(recording.kind(), Kind::Recording);
    assert_eq!(recording.mappings(), core().mappings());
    assert!(recording.mixes_moments());
    assert_eq!(recording.bytes(Addr(0x2000), 0x1000, 0x1000).expect("a page"), [7; 0x1000]);
    assert_eq!(recording.u8(Addr(0xa063)), Ok(7));
    let why = |addr| recording.u8(Addr(addr)).expect_err("not there").why;
    assert_eq!(why(0x1000), Why::NotRecorded);
    assert_eq!(why(0x7000), Why::Unmapped);
    assert_eq!(recording.lost(), 1);
    assert_eq!(why(0xb000), Why::NotInCore);
    let across = recording.bytes(Addr(0x2ff8), 16, 16).expect_err("half of it is not there");
    assert_eq!((across.addr, across.why), (Addr(0x3000), Why::NotRecorded));
    assert_eq!(recording.lost(), 3);
    assert_eq!(recording.exe_ranges(), [0..4, 64..71]);
    let exe = recording.exe_bytes();
    assert_eq!((exe.len(), &exe[..4], &exe[64..71]), (100, &b"head"[..], &b"section"[..]));
}

#[test]
fn a_recording_can_be_recorded() {
    let first = open(&recorded()).expect("a recording");
    let recorder = Recorder::new(&first);
    assert!(recorder.u8(Addr(0x2000)).is_ok());
    let mut file = Vec::new();
    recorder.write(&mut file, 0, &[], false).expect("memory takes all");
    let second = open(&file).expect("a recording");
    assert_eq!(second.bytes(Addr(0x2000), 0x1000, 0x1000).expect("a page"), [7; 0x1000]);
    assert!(second.mixes_moments(), "it does not become of one moment");
}

#[test]
fn a_recording_that_was_cut_is_refused() {
    let file = recorded();
    for len in 0..file.len() {
        assert!(open(&file[..len]).is_err(), "{len} bytes of {}", file.len());
    }
    let mut other = file.clone();
    other[12] = 9;
    assert_eq!(open(&other).err(), Some(FormatError::Version(9)));
    assert_eq!(Recording::from_bytes(&file, 100).err().map(|e| e.to_string()), {
        Some("it is damaged: it is longer than the limit".into())
    });
}

/// Each byte of what is compressed, changed: some of it is memory, and may be anything.
#[test]
fn a_recording_that_lies_is_refused_or_read() {
    let file = recorded();
    let mut plain = Vec::new();
    let mut body = StreamingDecoder::new(&file[HEAD..]).expect("zstd");
    body.read_to_end(&mut plain).expect("zstd");
    for at in
        (0..plain.len()).filter(|at| at % 0x40 == 0 || *at < 0x300 || at + 0x100 > plain.len())
    {
        for value in [0, 0x7f, 0xff] {
            let mut garbled = plain.clone();
            garbled[at] = value;
            let packed = compress_to_vec(garbled.as_slice(), CompressionLevel::Uncompressed);
            if let Ok(recording) = open(&[&file[..HEAD], &packed].concat()) {
                let _ = recording.u64(Addr(0x2ff8));
                let _ = (recording.exe_bytes().len(), recording.threads(), recording.crash());
            }
        }
    }
}
