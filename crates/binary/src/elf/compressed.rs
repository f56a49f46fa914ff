//! Sections stored compressed, as Go's linker stores DWARF.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};

use super::ElfError;

/// No section of a real executable comes near this once decompressed.
const MAX_SIZE: u64 = 4 << 30;
/// DEFLATE cannot do better than 1032 to 1, and what a linker writes is far below that.
const MAX_RATIO: u64 = 1100;

/// How a section's bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Zlib,
    Zstd,
}

/// A compressed section's body and the size it states.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'d> {
    pub(super) method: Method,
    pub(super) stated: u64,
    pub(super) bytes: &'d [u8],
}

/// Splits a section with `SHF_COMPRESSED` into its `Elf64_Chdr` and body.
pub(super) fn with_chdr<'d>(section: &str, data: &'d [u8]) -> Result<Body<'d>, ElfError> {
    let (Some((head, bytes)), name) = (data.split_first_chunk::<24>(), section) else {
        return Err(failed(section, "it is shorter than its header"));
    };
    let [k0, k1, k2, k3, _, _, _, _, size @ ..] = *head;
    let method = match u32::from_le_bytes([k0, k1, k2, k3]) {
        1 => Method::Zlib,
        2 => Method::Zstd,
        other => return Err(failed(name, &format!("unknown method {other}"))),
    };
    let [s0, s1, s2, s3, s4, s5, s6, s7, ..] = size;
    let stated = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
    Ok(Body { method, stated, bytes })
}

/// Splits an old `.zdebug_` section: `ZLIB`, the size in big-endian, then the body. `None` where
/// the section lacks that header, in which case it is not compressed.
pub(super) fn with_zlib_magic(data: &[u8]) -> Option<Body<'_>> {
    let body = data.strip_prefix(b"ZLIB")?;
    let (size, bytes) = body.split_first_chunk::<8>()?;
    Some(Body { method: Method::Zlib, stated: u64::from_be_bytes(*size), bytes })
}

/// The decompressed bytes: exactly as many as stated, or an error.
pub(super) fn decompress(section: &str, body: Body<'_>) -> Result<Vec<u8>, ElfError> {
    let stored = body.bytes.len() as u64;
    if body.stated > MAX_SIZE || body.stated > stored.saturating_mul(MAX_RATIO) {
        return Err(ElfError::Inflated { section: section.into(), stated: body.stated, stored });
    }
    let mut out = Vec::new();
    out.try_reserve_exact(body.stated as usize).map_err(|e| failed(section, &e.to_string()))?;
    match body.method {
        Method::Zlib => {
            inflate(body.bytes, &mut out).map_err(|e| failed(section, &e.to_string()))?
        }
        Method::Zstd => {
            let stream = ruzstd::decoding::StreamingDecoder::new(body.bytes)
                .map_err(|e| failed(section, &e.to_string()))?;
            let read = stream.take(body.stated).read_to_end(&mut out);
            read.map_err(|e| failed(section, &e.to_string()))?;
        }
    }
    out.truncate(body.stated as usize);
    if out.len() as u64 != body.stated {
        let why = format!("{} bytes where {} are stated", out.len(), body.stated);
        return Err(failed(section, &why));
    }
    Ok(out)
}

/// Decompresses as much as `out` has room for.
fn inflate(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), flate2::DecompressError> {
    let mut stream = Decompress::new(true);
    loop {
        let before = (stream.total_in(), out.len());
        let rest = bytes.get(before.0 as usize..).unwrap_or_default();
        let status = stream.decompress_vec(rest, out, FlushDecompress::Finish)?;
        let stuck = before == (stream.total_in(), out.len());
        if status == Status::StreamEnd || stuck || out.len() == out.capacity() {
            return Ok(());
        }
    }
}

fn failed(section: &str, why: &str) -> ElfError {
    ElfError::Compression { section: section.into(), why: why.into() }
}
