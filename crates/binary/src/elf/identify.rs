//! What the first bytes of a file say it is.

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::FileHeader as _;

use super::ElfError;

/// Beginnings of files that a user may well pass by mistake.
const MAGICS: &[(&[u8], &str)] = &[
    (b"#!", "a script"),
    (b"MZ", "a Windows executable"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O executable"),
    (b"\xce\xfa\xed\xfe", "a 32-bit Mach-O executable"),
    (b"\xca\xfe\xba\xbe", "a universal Mach-O executable"),
    (b"\0asm", "a WebAssembly module"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\x04\x22\x4d\x18", "an lz4 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"PK\x03\x04", "a zip file"),
    (b"!<arch>\n", "an archive"),
];

/// The header of an x86-64 executable or shared object, or why the file is none.
pub(super) fn header(data: &[u8]) -> Result<&FileHeader64<LittleEndian>, ElfError> {
    if !data.starts_with(b"\x7fELF") {
        return Err(ElfError::NotElf { looks_like: looks_like(data) });
    }
    match data.get(4) {
        Some(&1) => return Err(ElfError::ThirtyTwoBit),
        Some(&2) => {}
        _ => return Err(malformed(format!("class {:?}", data.get(4)))),
    }
    if data.get(5) == Some(&2) {
        return Err(ElfError::BigEndian);
    }
    if data.len() < 64 {
        return Err(ElfError::Truncated {
            what: "the ELF header".into(),
            end: 64,
            file_len: data.len() as u64,
        });
    }
    let header = FileHeader64::<LittleEndian>::parse(data).map_err(|e| malformed(e.to_string()))?;
    machine(header.e_machine(LittleEndian).0)?;
    executable(header.e_type(LittleEndian))?;
    Ok(header)
}

fn malformed(why: String) -> ElfError {
    ElfError::Malformed { what: "ELF header", why }
}

fn looks_like(data: &[u8]) -> &'static str {
    if data.is_empty() {
        return "an empty file";
    }
    if let Some((_, what)) = MAGICS.iter().find(|(magic, _)| data.starts_with(magic)) {
        return what;
    }
    let head = &data[..data.len().min(512)];
    if head.iter().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e)) {
        return "a text file";
    }
    "neither an executable nor anything else known here"
}

fn machine(number: u16) -> Result<(), ElfError> {
    let name = match number {
        62 => return Ok(()),
        3 => "x86",
        8 => "MIPS",
        20 | 21 => "PowerPC",
        22 => "s390",
        40 => "ARM",
        183 => "arm64",
        243 => "RISC-V",
        258 => "LoongArch",
        _ => "another processor",
    };
    Err(ElfError::Machine { name, number })
}

fn executable(kind: elf::FileType) -> Result<(), ElfError> {
    let what = match kind {
        elf::ET_EXEC | elf::ET_DYN => return Ok(()),
        elf::ET_CORE => "a core file",
        elf::ET_REL => "an object file",
        _ => "an ELF file of an unknown type",
    };
    Err(ElfError::NotExecutable { what })
}
