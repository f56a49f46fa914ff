//! Where build info lies, and its two strings (`debug/buildinfo`, Go 1.18 … 1.27).

use memchr::memmem;

use super::BuildInfoError;
use crate::Elf;

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// `buildInfoAlign`.
const ALIGN: usize = 16;
/// `buildInfoHeaderSize`.
const HEADER: usize = 32;
/// Where the flags are in the header, and the flag that says the strings follow inline.
const FLAGS: usize = 15;
const INLINE: u8 = 2;
/// The sentinels around the module lines (`modload.infoStart`, `infoEnd`).
const SENTINEL: usize = 16;
/// Far beyond any real list of modules.
const MAX_STRING: u64 = 16 << 20;

/// The two strings.
pub(super) struct Raw {
    pub(super) version: String,
    pub(super) modules: String,
}

pub(super) fn locate(elf: &Elf<'_>) -> Result<Raw, BuildInfoError> {
    let header = find_header(elf).ok_or(BuildInfoError::NotGo)?;
    let flags = header.get(FLAGS).ok_or(BuildInfoError::NotGo)?;
    if flags & INLINE == 0 {
        return Err(BuildInfoError::TooOld);
    }
    let strings = header.get(HEADER..).ok_or(BuildInfoError::CutOff { what: "its header" })?;
    let (version, rest) = string(strings).ok_or(BuildInfoError::CutOff { what: "the version" })?;
    let (modules, _) = string(rest).ok_or(BuildInfoError::CutOff { what: "the modules" })?;
    if version.is_empty() {
        return Err(BuildInfoError::NotGo);
    }
    Ok(Raw { version: text(version), modules: text(unframed(modules)) })
}

/// The bytes from the magic on: in its section, else in a writable segment, where the linker
/// puts it when sections are stripped off.
fn find_header<'d>(elf: &Elf<'d>) -> Option<&'d [u8]> {
    if let Some(section) = elf.section(".go.buildinfo") {
        let bytes = elf.stored(section).ok()?;
        if bytes.starts_with(MAGIC) {
            return Some(bytes);
        }
    }
    let writable = elf.segments().iter().filter(|s| s.write);
    writable.filter_map(|s| elf.bytes_from(s.addr)).find_map(search)
}

fn search(data: &[u8]) -> Option<&[u8]> {
    let aligned = memmem::find_iter(data, MAGIC).find(|at| at % ALIGN == 0)?;
    data.get(aligned..)
}

/// A string after its varint length, and what follows it.
fn string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = 0u64;
    for (i, byte) in data.iter().enumerate().take(10) {
        len |= u64::from(byte & 0x7f).checked_shl(7 * i as u32)?;
        if byte & 0x80 == 0 {
            let rest = data.get(i + 1..)?;
            let len = usize::try_from(len).ok().filter(|&len| len as u64 <= MAX_STRING)?;
            return rest.split_at_checked(len);
        }
    }
    None
}

/// The module lines without the sentinels; empty where there are none, as `debug/buildinfo` does.
fn unframed(modules: &[u8]) -> &[u8] {
    let framed = modules.len() > 2 * SENTINEL && modules[modules.len() - SENTINEL - 1] == b'\n';
    if framed { &modules[SENTINEL..modules.len() - SENTINEL] } else { &[] }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_never_reaches_beyond_the_data() {
        assert_eq!(string(b"\x03abcd"), Some((&b"abc"[..], &b"d"[..])));
        assert_eq!(string(b"\x80\x01"), None);
        assert_eq!(string(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), None);
        assert_eq!(string(b"\xff"), None);
        assert_eq!(string(b""), None);
    }

    #[test]
    fn only_an_aligned_magic_counts() {
        let mut data = vec![0; 3];
        data.extend(MAGIC);
        data.resize(32, 0);
        data.extend(MAGIC);
        assert_eq!(search(&data).map(<[u8]>::len), Some(MAGIC.len()));
    }
}
