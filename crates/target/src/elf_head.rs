//! The first bytes of an ELF file.

/// `EM_X86_64` of `elf.h`.
const X86_64: u16 = 62;

/// What the file is, if it is no 64-bit little-endian x86 ELF file. `None` where it is one.
pub(crate) fn foreign(head: &[u8]) -> Option<&'static str> {
    let [0x7f, b'E', b'L', b'F', class, data, ..] = head else {
        return Some("no ELF file");
    };
    let machine = head.get(18..20).map(|b| u16::from_le_bytes([b[0], b[1]]));
    match (class, data, machine) {
        (1, ..) => Some("a 32-bit ELF file"),
        (2, 2, _) => Some("a big-endian ELF file"),
        (2, 1, Some(X86_64)) => None,
        (2, 1, Some(183)) => Some("an ELF file for arm64"),
        (2, 1, Some(_)) => Some("an ELF file for another architecture"),
        _ => Some("a damaged ELF file"),
    }
}

#[cfg(test)]
mod tests {
    use super::foreign;

    #[test]
    fn every_kind() {
        let mut head = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0";
        assert_eq!(foreign(&head), None);
        assert_eq!(foreign(&head[..10]), Some("a damaged ELF file"));
        head[18] = 183;
        assert_eq!(foreign(&head), Some("an ELF file for arm64"));
        head[4] = 1;
        assert_eq!(foreign(&head), Some("a 32-bit ELF file"));
        assert_eq!(foreign(b"#!/bin/sh\n"), Some("no ELF file"));
    }
}
