//! Compressed cores.

use std::env;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use lz4_flex::frame::FrameDecoder;
use nix::libc;
use ruzstd::decoding::errors::{
    BlockHeaderReadError, DecodeBlockContentError, DecompressBlockError, FrameDecoderError,
    ReadFrameHeaderError,
};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder as ZstdDecoder};

use super::OpenCoreError;
use crate::Progress;

/// What is decompressed at once, and the unit in which runs of zeros become holes.
const CHUNK: usize = 64 << 10;
/// The most that is decompressed: 1 TiB, beyond any core, and reached by a bomb of zeros only
/// after hours in which it can be cancelled.
const LIMIT: u64 = 1 << 40;

/// How a core is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Zstandard (RFC 8878).
    Zstd,
    /// LZ4 in its frame format.
    Lz4,
}

impl Packing {
    /// By the magic number at the beginning of a file.
    pub(super) fn of(head: &[u8]) -> Option<Packing> {
        match head.first_chunk()? {
            // A frame, or one to be skipped, as pzstd writes it first (RFC 8878, section 3.1.2).
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Packing::Zstd),
            [0x04, 0x22, 0x4d, 0x18] => Some(Packing::Lz4),
            _ => None,
        }
    }

    /// What the frames of `source` hold, one after the other.
    pub fn decoder<'s>(self, source: impl io::BufRead + 's) -> Box<dyn Read + 's> {
        match self {
            Packing::Zstd => Box::new(Zstd::new(source)),
            Packing::Lz4 => Box::new(Lz4(Some(FrameDecoder::new(source)))),
        }
    }
}

/// A core that has been decompressed.
pub(crate) struct Plain {
    /// An unlinked file.
    pub(crate) file: File,
    /// Whether the compressed stream broke off or was damaged: the file has what came before.
    pub(crate) broken: bool,
}

/// Decompresses `file` into an unlinked file.
pub(crate) fn expand(
    path: &Path,
    file: &mut File,
    packing: Packing,
    progress: &Progress,
) -> Result<Plain, OpenCoreError> {
    progress.begin("decompressing", file.metadata().map_or(0, |m| m.len()));
    let dir = temporary_dir();
    let sink = unlinked(&dir).map_err(|e| write_failed(path, &dir, e))?;
    let mut sink = Sparse { file: sink, len: 0 };
    let source = BufReader::with_capacity(CHUNK, Counting { file, progress });
    let broken = match copy(&mut packing.decoder(source), &mut sink, progress) {
        Ok(()) => false,
        Err(End::Cancelled) => return Err(OpenCoreError::Cancelled),
        Err(End::Write(e)) => return Err(write_failed(path, &dir, e)),
        Err(End::Read(source)) if sink.len == 0 => {
            return Err(OpenCoreError::Packed { path: path.to_owned(), source });
        }
        Err(End::Read(_)) => true,
    };
    let file = sink.finish().map_err(|e| write_failed(path, &dir, e))?;
    Ok(Plain { file, broken })
}

/// Why copying ended early.
enum End {
    Cancelled,
    Read(io::Error),
    Write(io::Error),
}

fn copy(source: &mut dyn Read, sink: &mut Sparse, progress: &Progress) -> Result<(), End> {
    let mut chunk = vec![0; CHUNK];
    while sink.len < LIMIT {
        if progress.cancelled() {
            return Err(End::Cancelled);
        }
        let (len, failed) = fill(source, &mut chunk);
        sink.write(&chunk[..len]).map_err(End::Write)?;
        match failed {
            Some(e) => return Err(End::Read(e)),
            None if len < CHUNK => return Ok(()),
            None => {}
        }
    }
    Err(End::Read(io::ErrorKind::FileTooLarge.into()))
}

/// Reads until the chunk is full, the stream ends or breaks; what came before that counts.
fn fill(source: &mut dyn Read, chunk: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut len = 0;
    while len < chunk.len() {
        match source.read(&mut chunk[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (len, Some(e)),
        }
    }
    (len, None)
}

/// A file in which zeros are holes: a core of a Go program is full of pages never used.
struct Sparse {
    file: File,
    len: u64,
}

impl Sparse {
    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.len += chunk.len() as u64;
        if chunk.iter().all(|&byte| byte == 0) {
            self.file.seek(SeekFrom::Start(self.len)).map(drop)
        } else {
            self.file.write_all(chunk)
        }
    }

    fn finish(self) -> io::Result<File> {
        self.file.set_len(self.len)?;
        Ok(self.file)
    }
}

/// Counts the compressed bytes that were read.
struct Counting<'a> {
    file: &'a mut File,
    progress: &'a Progress,
}

impl Read for Counting<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buf)?;
        self.progress.step(len as u64);
        Ok(len)
    }
}

/// A stream of zstd frames, one after the other, as `pzstd` and `zstd --adapt` write them.
struct Zstd<R> {
    source: R,
    decoder: ZstdDecoder,
    within: bool,
    /// Why the stream ends here, once all that came before is handed out.
    broken: Option<io::Error>,
}

/// An empty block that is the last of its frame, and a checksum (RFC 8878, section 3.1.1.2).
const END: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

impl<R: io::BufRead> Zstd<R> {
    fn new(source: R) -> Zstd<R> {
        Zstd { source, decoder: ZstdDecoder::new(), within: false, broken: None }
    }

    /// Begins the next frame; whether there is one. `pzstd` writes one to be skipped before each.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(wrong(&error)),
            }
        }
        Ok(false)
    }

    /// Decodes until there is something to hand out, or no more of this frame.
    fn decode(&mut self, wanted: usize) {
        while self.broken.is_none()
            && self.decoder.can_collect() == 0
            && !self.decoder.is_finished()
        {
            let some = BlockDecodingStrategy::UptoBytes(wanted);
            let Err(error) = self.decoder.decode_blocks(&mut self.source, some) else { continue };
            self.broken = Some(wrong(&error));
            if is_cut(&error) {
                // The decoder holds back as much as later blocks may refer to, up to megabytes. That
                // was decoded well; at the end of a frame it is given out.
                let _ = self.decoder.decode_blocks(&END[..], BlockDecodingStrategy::All);
            }
        }
    }
}

impl<R: io::BufRead> Read for Zstd<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while !buf.is_empty() {
            if !self.within && !self.begin()? {
                break;
            }
            self.within = true;
            self.decode(buf.len());
            match (self.decoder.read(buf)?, self.broken.take()) {
                (0, Some(error)) => return Err(error),
                (0, None) => self.within = !self.decoder.is_finished(),
                (len, broken) => {
                    self.broken = broken;
                    return Ok(len);
                }
            }
        }
        Ok(0)
    }
}

fn wrong(error: &FrameDecoderError) -> io::Error {
    io::Error::other(error.to_string())
}

/// Whether the stream ended in the middle of a frame, so that only whole blocks were decoded.
fn is_cut(error: &FrameDecoderError) -> bool {
    use DecodeBlockContentError as Content;
    matches!(
        error,
        FrameDecoderError::FailedToReadBlockHeader(BlockHeaderReadError::ReadError(_))
            | FrameDecoderError::FailedToReadBlockBody(
                Content::ReadError { .. }
                    | Content::DecompressBlockError(DecompressBlockError::BlockContentReadError(_))
            )
    )
}

/// A stream of lz4 frames. A decoder is made for one frame only, so each gets its own.
struct Lz4<R: Read>(Option<FrameDecoder<R>>);

impl<R: io::BufRead> Read for Lz4<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let len = decoder.read(buf)?;
            if len > 0 {
                return Ok(len);
            }
            let mut source = self.0.take().map(FrameDecoder::into_inner);
            let source = source.take_if(|source| source.fill_buf().is_ok_and(|b| !b.is_empty()));
            self.0 = source.map(FrameDecoder::new);
        }
        Ok(0)
    }
}

fn temporary_dir() -> PathBuf {
    let given = env::var_os("TMPDIR").filter(|dir| !dir.is_empty());
    given.map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}

/// A file that no name leads to: nothing is left behind, however we end.
fn unlinked(dir: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    match options.clone().custom_flags(libc::O_TMPFILE).open(dir) {
        // A file system without O_TMPFILE: a name for a moment.
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            let name = dir.join(format!("mapscope-{}.core", std::process::id()));
            let file = options.create_new(true).open(&name)?;
            std::fs::remove_file(&name)?;
            Ok(file)
        }
        opened => opened,
    }
}

fn write_failed(path: &Path, dir: &Path, source: io::Error) -> OpenCoreError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            OpenCoreError::DiskFull { path: path.to_owned(), dir: dir.to_owned() }
        }
        _ => OpenCoreError::Io { path: dir.to_owned(), source },
    }
}
