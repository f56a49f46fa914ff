//! Small ELF files made by hand: what is refused, and with which words.

use std::io::Write;

use super::*;

/// An x86-64 executable of one segment and one section with the given name, flags and bytes.
fn elf_with(name: &str, flags: u64, bytes: &[u8]) -> Vec<u8> {
    let strings = format!("\0{name}\0.shstrtab\0");
    let body_at = 64 + 56;
    let strings_at = body_at + bytes.len();
    let table_at = strings_at + strings.len();
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    let words = |out: &mut Vec<u8>, words: &[u64]| {
        out.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    };
    words(&mut out, &[0x40_1000, 64, table_at as u64]);
    out.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 3, 0, 2, 0]);
    out.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let (at, size) = (body_at as u64, bytes.len() as u64);
    words(&mut out, &[at, 0x40_1000, 0x40_1000, size, size + 16, 4096]);
    out.extend(bytes.iter().chain(strings.as_bytes()));
    words(&mut out, &[0; 8]);
    let mut section = |name: u32, kind: u32, rest: [u64; 4]| {
        out.extend(name.to_le_bytes().iter().chain(&kind.to_le_bytes()));
        words(&mut out, &rest);
        words(&mut out, &[0, 1, 0]);
    };
    section(1, 1, [flags, 0x40_1000, at, size]);
    let names_at = name.len() as u32 + 2;
    section(names_at, 3, [0, 0, strings_at as u64, strings.len() as u64]);
    out
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn chdr(method: u32, stated: u64, body: &[u8]) -> Vec<u8> {
    let mut out = method.to_le_bytes().to_vec();
    out.extend([0; 4]);
    out.extend(stated.to_le_bytes().iter().chain(&1u64.to_le_bytes()));
    out.extend(body);
    out
}

const COMPRESSED: u64 = 0x800;

#[test]
fn addresses_lead_to_offsets_and_bytes() {
    let file = elf_with(".text", 0, b"0123456789");
    let elf = Elf::parse(&file).unwrap();
    assert_eq!(elf.bytes_at(FileVa(0x40_1002), 3), Some(&b"234"[..]));
    assert_eq!(elf.bytes_at(FileVa(0x40_1008), 3), None);
    assert_eq!(elf.bytes_at(FileVa(0x40_100a), 0), None);
    assert_eq!(elf.bytes_at(FileVa(0x40_1002), u64::MAX), None);
    assert_eq!(elf.file_off(FileVa(0x40_1002)), Some(FileOff(122)));
    assert_eq!(elf.file_off(FileVa(0)), None);
    assert_eq!(elf.section_data(".text"), Ok(Some(&b"0123456789"[..])));
    assert_eq!(elf.section_data(".data"), Ok(None));
    assert!(!elf.is_pie() && !elf.is_dynamic() && !elf.has_symtab());
    assert_eq!((elf.gnu_build_id(), elf.go_build_id()), (None, None));
}

#[test]
fn compressed_sections_of_both_styles() {
    let text = b"go".repeat(500);
    let file = elf_with(".debug_info", COMPRESSED, &chdr(1, 1000, &zlib(&text)));
    assert_eq!(Elf::parse(&file).unwrap().section_data(".debug_info"), Ok(Some(&text[..])));
    let mut old = b"ZLIB".to_vec();
    old.extend(1000u64.to_be_bytes());
    old.extend(zlib(&text));
    let file = elf_with(".zdebug_info", 0, &old);
    assert_eq!(Elf::parse(&file).unwrap().section_data(".debug_info"), Ok(Some(&text[..])));
}

#[test]
fn sections_that_lie_about_their_size() {
    let body = zlib(&[0; 1000]);
    let refused = |method, stated| {
        let file = elf_with(".debug_info", COMPRESSED, &chdr(method, stated, &body));
        Elf::parse(&file).unwrap().section_data(".debug_info").unwrap_err()
    };
    assert!(matches!(refused(1, u64::MAX), ElfError::Inflated { .. }));
    assert!(matches!(refused(1, 1 << 20), ElfError::Inflated { .. }));
    assert!(matches!(refused(1, 1001), ElfError::Compression { .. }));
    assert!(matches!(refused(2, 1000), ElfError::Compression { .. }));
    assert!(matches!(refused(9, 1000), ElfError::Compression { .. }));
    let short = elf_with(".debug_info", COMPRESSED, b"\x01");
    let short = Elf::parse(&short).unwrap().section_data(".debug_info").unwrap_err();
    assert!(matches!(short, ElfError::Compression { .. }));
}

#[test]
fn files_that_are_no_executables() {
    let error = |data: &[u8]| Elf::parse(data).unwrap_err().to_string();
    assert_eq!(error(b""), "not an ELF file: it looks like an empty file");
    assert_eq!(error(b"#!/bin/sh\n"), "not an ELF file: it looks like a script");
    assert_eq!(error(b"MZ\x90"), "not an ELF file: it looks like a Windows executable");
    assert_eq!(error(b"hello\n"), "not an ELF file: it looks like a text file");
    let file = elf_with(".text", 0, b"0123456789");
    let with = |at: usize, byte: u8| {
        let mut file = file.clone();
        file[at] = byte;
        Elf::parse(&file).unwrap_err()
    };
    assert_eq!(with(4, 1), ElfError::ThirtyTwoBit);
    assert_eq!(with(5, 2), ElfError::BigEndian);
    assert_eq!(with(18, 183), ElfError::Machine { name: "arm64", number: 183 });
    assert_eq!(with(16, 4), ElfError::NotExecutable { what: "a core file" });
}

#[test]
fn every_truncation_is_an_error() {
    let file = elf_with(".text", 0, b"0123456789");
    for end in 0..file.len() {
        assert!(Elf::parse(&file[..end]).is_err(), "{end}");
    }
}

#[test]
fn no_mutation_panics() {
    let file = elf_with(".debug_info", COMPRESSED, &chdr(1, 1000, &zlib(&[7; 1000])));
    for at in 0..file.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff, file[at] ^ 1] {
            let mut file = file.clone();
            file[at] = byte;
            let Ok(elf) = Elf::parse(&file) else { continue };
            let _ = (elf.section_data(".debug_info"), elf.symbols().count(), elf.is_pie());
            let _ = (elf.bytes_from(elf.entry()), elf.go_build_id(), elf.gnu_build_id());
        }
    }
}
