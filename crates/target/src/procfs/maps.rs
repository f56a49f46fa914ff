//! `/proc/PID/maps`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::{Access, Addr, Mapping};

/// The mappings of a process, by rising address.
pub(crate) fn maps(pid: u32) -> io::Result<Vec<Mapping>> {
    Ok(parse_maps(&super::read(pid, "maps")?))
}

/// Parses the text of `/proc/PID/maps`; a line that does not parse is left out.
fn parse_maps(text: &[u8]) -> Vec<Mapping> {
    text.split(|&b| b == b'\n').filter_map(parse_line).collect()
}

/// `start-end perms offset major:minor inode   path`.
fn parse_line(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |&b| b == b' ');
    let range = std::str::from_utf8(fields.next()?).ok()?;
    let (start, end) = range.split_once('-')?;
    let access = fields.next()?;
    let offset = hex(std::str::from_utf8(fields.next()?).ok()?)?;
    let path = fields.nth(2).and_then(file_path);
    let (start, end) = (hex(start)?, hex(end)?);
    (start < end).then_some(Mapping {
        start: Addr(start),
        end: Addr(end),
        access: Access {
            read: access.first() == Some(&b'r'),
            write: access.get(1) == Some(&b'w'),
            execute: access.get(2) == Some(&b'x'),
        },
        offset: if path.is_some() { offset } else { 0 },
        path,
    })
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

/// The path of a mapped file. The kernel's names in brackets (`[heap]`, `[anon: Go: heap]`) are no
/// files; a file that has been unlinked since keeps its name.
fn file_path(field: &[u8]) -> Option<PathBuf> {
    let field = field.trim_ascii_start();
    if field.first() != Some(&b'/') {
        return None;
    }
    let field = field.strip_suffix(b" (deleted)").unwrap_or(field);
    Some(PathBuf::from(OsString::from_vec(unescape(field))))
}

/// Undoes the kernel's `\012` for a newline, the only byte that `seq_file_path` escapes there.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        if let Some(tail) = rest.strip_prefix(b"\\012") {
            plain.push(b'\n');
            rest = tail;
        } else {
            plain.push(byte);
            rest = tail;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_each_kind() {
        let maps = parse_maps(
            b"00400000-00401000 r-xp 00002000 fe:00 12  /bin/a b (deleted)\n\
              7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n\
              7ffc00000000-7ffc00001000 rw-p 00000000 00:00 0          [stack]\n\
              garbage\n\
              500-400 r--p 0 0:0 0\n\
              1000-2000 r--s 0 0:0 0 /x\\012y\n",
        );
        assert_eq!(maps.len(), 4);
        assert_eq!(maps[0].path.as_deref(), Some("/bin/a b".as_ref()));
        assert_eq!((maps[0].offset, maps[0].access.execute), (0x2000, true));
        assert_eq!(maps[1].path, None);
        assert_eq!(maps[2].path, None);
        assert_eq!(maps[3].path.as_deref(), Some("/x\ny".as_ref()));
    }
}
