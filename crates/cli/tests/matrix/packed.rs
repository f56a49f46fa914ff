//! Cores as people keep them: compressed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use ruzstd::encoding::{CompressionLevel, compress};

/// `core`, compressed by zstd, beside it.
pub(crate) fn zstd(core: &Path) -> io::Result<PathBuf> {
    let packed = core.with_extension("zst");
    compress(File::open(core)?, File::create(&packed)?, CompressionLevel::Fastest);
    Ok(packed)
}

/// `core`, compressed by lz4, beside it.
pub(crate) fn lz4(core: &Path) -> io::Result<PathBuf> {
    let packed = core.with_extension("lz4");
    let mut encoder = lz4_flex::frame::FrameEncoder::new(File::create(&packed)?);
    io::copy(&mut File::open(core)?, &mut encoder)?;
    encoder.finish().map_err(io::Error::other)?;
    Ok(packed)
}
