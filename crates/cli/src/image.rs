//! The bytes of an executable file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use mapscope_target::{FileKind, Packing};
use memmap2::Mmap;

/// The most that a compressed executable may take decompressed: the largest Go programs known
/// are a few hundred MiB with their DWARF.
const LIMIT: u64 = 2 << 30;

/// An executable, mapped, or decompressed into memory.
#[derive(Clone)]
pub(crate) struct Image {
    store: Arc<Store>,
}

enum Store {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Image {
    /// The executable at `path`, also where it is compressed by zstd or lz4.
    pub(crate) fn open(path: &Path) -> io::Result<Image> {
        match FileKind::of(path)? {
            FileKind::Packed(packing) => {
                let bytes = capped(unpack(path, packing)?)?;
                Ok(Image { store: Arc::new(Store::Owned(bytes)) })
            }
            _ => Image::map(&File::open(path)?),
        }
    }

    /// An executable that is open already.
    pub(crate) fn map(file: &File) -> io::Result<Image> {
        if file.metadata()?.len() == 0 {
            return Ok(Image { store: Arc::new(Store::Owned(Vec::new())) });
        }
        // SAFETY: the mapping is private and read-only. Whoever changes the file while we look
        // changes what we read, as with any file, and nothing we do relies on two reads agreeing.
        // Who shortens it makes us end by SIGBUS, which a tool that reads files can bear.
        let map = unsafe { Mmap::map(file) }?;
        Ok(Image { store: Arc::new(Store::Mapped(map)) })
    }
}

impl AsRef<[u8]> for Image {
    fn as_ref(&self) -> &[u8] {
        match &*self.store {
            Store::Mapped(map) => map,
            Store::Owned(bytes) => bytes,
        }
    }
}

fn capped(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LIMIT).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == LIMIT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// The first bytes of what a compressed file holds.
pub(crate) fn packed_head(path: &Path, packing: Packing) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    unpack(path, packing)?.take(64).read_to_end(&mut head)?;
    Ok(head)
}

fn unpack(path: &Path, packing: Packing) -> io::Result<Box<dyn Read>> {
    Ok(packing.decoder(io::BufReader::new(File::open(path)?)))
}
