//! Writing while the next bytes are made.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// What bytes go to.
pub(crate) type To = Box<dyn Write + Send>;

/// How many bytes are written at once: a file system that keeps its cache in large folios (ext4
/// since Linux 6.16) takes so much in a fraction of the time.
const BLOCK: usize = 8 << 20;

/// How many bytes are written first, so that a pager or `head` has something to show; each block
/// after it is twice as long, up to [`BLOCK`].
const FIRST: usize = 64 << 10;

/// A writer that has a thread of its own write what is more than one block, while it gathers the
/// next. What it was given is written when it was flushed, or dropped. An error may come later than
/// the bytes that it is about.
pub(crate) struct Behind {
    /// Until there is a thread that has it, or after an error.
    to: Option<To>,
    gathered: Vec<u8>,
    /// With how many bytes they are written.
    block: usize,
    writer: Option<Writer>,
}

/// The thread.
struct Writer {
    full: SyncSender<Vec<u8>>,
    /// Blocks to be filled again.
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<To>>,
}

impl Behind {
    /// A writer to `to`.
    pub(crate) fn new(to: To) -> Behind {
        Behind { to: Some(to), gathered: Vec::new(), block: FIRST, writer: None }
    }

    /// Has the thread write what is gathered, as soon as it has written what it had before.
    fn hand_over(&mut self) -> io::Result<()> {
        if let Some(to) = self.to.take() {
            self.writer = Some(Writer::start(to)?);
        }
        let Some(writer) = &self.writer else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let block = std::mem::take(&mut self.gathered);
        if writer.full.send(block).is_err() {
            return self.join();
        }
        self.gathered = writer.empty.try_recv().unwrap_or_default();
        self.block = (self.block * 2).min(BLOCK);
        Ok(())
    }

    /// Waits for the thread, if there is one.
    fn join(&mut self) -> io::Result<()> {
        let Some(Writer { full, thread, .. }) = self.writer.take() else { return Ok(()) };
        drop(full);
        let died = |_| Err(io::Error::other("the thread that writes has died"));
        self.to = Some(thread.join().unwrap_or_else(died)?);
        Ok(())
    }

    fn write_rest(&mut self) -> io::Result<()> {
        self.join()?;
        let Some(to) = &mut self.to else { return Ok(()) };
        let written = to.write_all(&self.gathered);
        self.gathered.clear();
        if written.is_err() {
            self.to = None;
        }
        written
    }
}

impl Writer {
    fn start(mut to: To) -> io::Result<Writer> {
        // Without room: one block is written while another is gathered, and there are no more.
        let (full, blocks) = sync_channel::<Vec<u8>>(0);
        let (give_back, empty) = channel();
        let write = move || {
            for mut block in blocks {
                to.write_all(&block)?;
                block.clear();
                let _ = give_back.send(block);
            }
            Ok(to)
        };
        let thread = std::thread::Builder::new().name("writer".into()).spawn(write)?;
        Ok(Writer { full, empty, thread })
    }
}

impl Write for Behind {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gathered.len() + bytes.len() > self.block && !self.gathered.is_empty() {
            self.hand_over()?;
        }
        if self.gathered.is_empty() && self.writer.is_some() {
            self.gathered.reserve_exact(self.block.max(bytes.len()));
        }
        self.gathered.extend_from_slice(bytes);
        // Of the first blocks none waits for the bytes behind it.
        if self.block < BLOCK && self.gathered.len() >= self.block {
            self.hand_over()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_rest()?;
        self.to.as_mut().map_or(Ok(()), |to| to.flush())
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        // Who needs to know has flushed.
        let _ = self.write_rest();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Takes so many bytes, and then no more.
    #[derive(Clone)]
    struct Disk(Arc<Mutex<Vec<u8>>>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut taken = self.0.lock().unwrap();
            let len = bytes.len().min(self.1 - taken.len());
            taken.extend_from_slice(&bytes[..len]);
            if len == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(len) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pieces() -> impl Iterator<Item = Vec<u8>> {
        (0..70).map(|i| (0..300_000).map(|n| (n % 251) as u8 ^ i).collect())
    }

    #[test]
    fn all_arrives_in_order() {
        let whole: Vec<u8> = pieces().flatten().collect();
        for flush in [true, false] {
            let disk = Disk(Arc::default(), usize::MAX);
            let mut behind = Behind::new(Box::new(disk.clone()));
            for piece in pieces() {
                behind.write_all(&piece).unwrap();
            }
            if flush {
                behind.flush().unwrap();
            }
            drop(behind);
            assert!(*disk.0.lock().unwrap() == whole, "not what was written");
        }
    }

    #[test]
    fn the_first_bytes_come_early_and_the_blocks_grow() {
        let disk = Disk(Arc::default(), usize::MAX);
        let mut behind = Behind::new(Box::new(disk.clone()));
        let mut written = 0;
        for _ in 0..1000 {
            behind.write_all(&[7; 1000]).unwrap();
            written += 1000;
            // The thread takes the second block when it has written the first.
            let arrived = disk.0.lock().unwrap().len();
            assert!(written <= 4 * FIRST || arrived > 0, "nothing after {written} bytes");
        }
        assert_eq!(behind.block, 16 * FIRST);
        for _ in 0..30_000 {
            behind.write_all(&[7; 1000]).unwrap();
        }
        assert_eq!(behind.block, BLOCK);
        drop(behind);
        assert_eq!(disk.0.lock().unwrap().len(), 31_000_000);
    }

    #[test]
    fn what_ends_it_is_told() {
        for room in [0, 1 << 20, 9 << 20, 20_000_000] {
            let disk = Disk(Arc::default(), room);
            let mut behind = Behind::new(Box::new(disk.clone()));
            let written = pieces().try_for_each(|piece| behind.write_all(&piece));
            let ended = written.and_then(|()| behind.flush()).unwrap_err();
            assert_eq!(ended.kind(), io::ErrorKind::StorageFull);
            assert!(behind.write_all(&[0; BLOCK]).and_then(|()| behind.write_all(&[0])).is_err());
            drop(behind);
            assert_eq!(disk.0.lock().unwrap().len(), room);
        }
    }
}
