//! Writing a recording.

use std::io::{self, Write};

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::format::{Out, Process, RECORDING_MAGIC, Tag, VERSION};
use super::recorder::{PAGE, Recorder};
use crate::Addr;

/// How much is compressed at once, in bytes: each such piece is a zstd frame.
const FRAME: usize = 4 << 20;
/// The most memory that one chunk holds, in pages: 1 MiB.
const RUN: usize = 256;

/// Bytes of the executable's file that belong into a recording.
#[derive(Clone, Copy, Debug)]
pub struct ExePart<'e> {
    /// Where in the file they begin.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'e [u8],
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the process's memory.
    pub memory: u64,
    /// Bytes of the executable's file.
    pub exe: u64,
    /// Pages that had been read, and that could not be read again: a recording without them may
    /// give a less complete answer than its target did.
    pub lost: u64,
}

impl Recorder<'_> {
    /// Writes what was read to `to`: the pages, read once more, and `parts` of the executable's
    /// file, which is `exe_len` bytes long. `ran` says that the process was not held meanwhile.
    ///
    /// **The file then holds raw memory of the process.**
    ///
    /// # Errors
    ///
    /// `to` takes no more.
    pub fn write(
        &self,
        to: &mut dyn Write,
        exe_len: u64,
        parts: &[ExePart<'_>],
        ran: bool,
    ) -> io::Result<Written> {
        to.write_all(&RECORDING_MAGIC)?;
        to.write_all(&VERSION.to_le_bytes())?;
        let mut file = Chunks { to, frame: Vec::new(), count: 0 };
        self.write_process(&mut file, ran)?;
        let mut written = self.write_memory(&mut file)?;
        file.chunk(Tag::EXE, &exe_len.to_le_bytes(), &[])?;
        for part in parts {
            file.chunk(Tag::EXE_PART, &part.offset.to_le_bytes(), part.bytes)?;
            written.exe += part.bytes.len() as u64;
        }
        let count = file.count;
        file.chunk(Tag::END, &count.to_le_bytes(), &[])?;
        file.flush()?;
        Ok(written)
    }

    fn write_process(&self, file: &mut Chunks<'_>, ran: bool) -> io::Result<()> {
        let target = self.target;
        let process = Process {
            pid: target.pid(),
            exe_path: target.exe_path(),
            crash: target.crash(),
            auxv: target.auxv(),
            ran: ran || target.mixes_moments(),
        };
        file.of(Tag::PROCESS, |out| out.process(&process))?;
        file.of(Tag::MAPPINGS, |out| out.mappings(target.mappings()))?;
        file.of(Tag::THREADS, |out| out.threads(&target.threads()))?;
        let noted = self.noted();
        let faults: Vec<_> = noted.faults.values().map(|f| (f.addr.0, f.why)).collect();
        drop(noted);
        file.of(Tag::FAULTS, |out| faults.iter().for_each(|(addr, why)| out.fault(*addr, *why)))
    }

    fn write_memory(&self, file: &mut Chunks<'_>) -> io::Result<Written> {
        let pages: Vec<u64> = self.noted().pages.iter().copied().collect();
        let mut written = Written::default();
        let adjoining = pages.chunk_by(|a, b| a + 1 == *b).flat_map(|run| run.chunks(RUN));
        for run in adjoining {
            let Some(first) = run.first().and_then(|page| page.checked_mul(PAGE)) else { continue };
            let mut bytes = vec![0; run.len() * PAGE as usize];
            if self.target.read(Addr(first), &mut bytes).is_ok() {
                written.memory += bytes.len() as u64;
                file.chunk(Tag::MEMORY, &first.to_le_bytes(), &bytes)?;
                continue;
            }
            for page in run {
                self.write_torn(file, page * PAGE, &mut written)?;
            }
        }
        Ok(written)
    }

    /// A page of which a part cannot be read: what can.
    fn write_torn(
        &self,
        file: &mut Chunks<'_>,
        page: u64,
        written: &mut Written,
    ) -> io::Result<()> {
        let end = page.saturating_add(PAGE);
        let (mut at, before) = (page, written.memory);
        while at < end {
            let mut bytes = vec![0; (end - at) as usize];
            let hole = match self.target.read(Addr(at), &mut bytes) {
                Ok(()) => end,
                Err(fault) => fault.addr.0.clamp(at, end),
            };
            bytes.truncate((hole - at) as usize);
            if !bytes.is_empty() && self.target.read(Addr(at), &mut bytes).is_ok() {
                written.memory += bytes.len() as u64;
                file.chunk(Tag::MEMORY, &at.to_le_bytes(), &bytes)?;
            }
            // What follows a hole begins where a word does.
            at = (hole | 7).saturating_add(1);
        }
        written.lost += u64::from(written.memory == before);
        Ok(())
    }
}

/// Chunks on their way into zstd frames.
struct Chunks<'w> {
    to: &'w mut dyn Write,
    frame: Vec<u8>,
    count: u64,
}

impl Chunks<'_> {
    fn of(&mut self, tag: u8, fill: impl FnOnce(&mut Out)) -> io::Result<()> {
        let mut out = Out::default();
        fill(&mut out);
        self.chunk(tag, &out.0, &[])
    }

    /// A chunk of two pieces.
    fn chunk(&mut self, tag: u8, head: &[u8], body: &[u8]) -> io::Result<()> {
        let mut out = Out(std::mem::take(&mut self.frame));
        out.u8(tag);
        out.u64(head.len() as u64 + body.len() as u64);
        out.0.extend(head);
        out.0.extend(body);
        self.frame = out.0;
        self.count += 1;
        match self.frame.len() < FRAME {
            true => Ok(()),
            false => self.flush(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let packed = compress_to_vec(self.frame.as_slice(), CompressionLevel::Fastest);
        self.frame.clear();
        self.to.write_all(&packed)?;
        self.to.flush()
    }
}
