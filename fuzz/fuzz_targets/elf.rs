//! An executable: headers, sections, notes, symbols, build info, and where pclntab is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mapscope_binary::{BuildInfo, Elf, FileOff, FileVa, Pclntab};

/// What a section may take decompressed in this target: DEFLATE's best ratio on a small input.
const INFLATED: usize = 1100;

fuzz_target!(|data: &[u8]| {
    let Ok(elf) = Elf::parse(data) else { return };
    places(&elf, data);
    sections(&elf, data.len());
    notes(&elf, data.len());
    symbols(&elf);
    let build = BuildInfo::find(&elf);
    if let Ok(build) = &build {
        assert!(!build.version.is_empty());
        // A byte that is no UTF-8 becomes three.
        assert!(build.version.len() <= 3 * data.len());
    }
    assert_eq!(build.ok(), BuildInfo::find(&elf).ok());
    if let Ok(table) = Pclntab::find_in(&elf) {
        assert!(table.len() <= data.len() / 8);
    }
});

/// An address leads to a place in the file, and the bytes there are those of the file.
fn places(elf: &Elf<'_>, data: &[u8]) {
    for segment in elf.segments() {
        let places = [segment.addr, FileVa(segment.addr.0.wrapping_add(segment.file_size / 2))];
        for va in places {
            let (bytes, off) = (elf.bytes_from(va), elf.file_off(va));
            let (Some(bytes), Some(FileOff(off))) = (bytes, off) else { continue };
            assert!(data[off as usize..].starts_with(bytes));
            assert_eq!(elf.bytes_at(va, bytes.len() as u64), Some(bytes));
            assert_eq!(elf.bytes_at(va, bytes.len() as u64 + 1), None);
        }
    }
}

fn sections(elf: &Elf<'_>, len: usize) {
    for section in elf.sections() {
        if let Ok(stored) = elf.stored(section) {
            assert!(stored.len() <= len);
        }
        if let Ok(Some(bytes)) = elf.section_data(section.name) {
            assert!(bytes.len() <= len * INFLATED);
        }
    }
}

fn notes(elf: &Elf<'_>, len: usize) {
    assert!(elf.gnu_build_id().unwrap_or_default().len() <= len);
    assert!(elf.go_build_id().unwrap_or_default().len() <= 3 * len);
    let _ = (elf.entry(), elf.is_pie(), elf.is_dynamic(), elf.is_position_independent());
}

fn symbols(elf: &Elf<'_>) {
    for symbol in elf.symbols().take(64) {
        let name = String::from_utf8_lossy(symbol.name);
        // The first of a name is the one that is found.
        if name.as_bytes() == symbol.name {
            assert!(elf.symbol(&name).is_some());
        }
    }
    assert!(elf.has_symtab() || elf.symbols().next().is_none());
}
