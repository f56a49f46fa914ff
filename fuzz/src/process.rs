//! Every question, asked of a real process with some of its memory changed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use mapscope_analysis::{Analysis, Entries, Get, Ls, Order, Show, Verify};
use mapscope_binary::Elf;
use mapscope_report::{Ndjson, Sink, Text};
use mapscope_runtime::{Go, Image, Limits, splice};
use mapscope_target::{Addr, Core, Fault, Memory, Packing, Progress, Target, delegate_target};

/// What a report may take, in bytes: a process of some hundred maps has one of 100 KiB.
const REPORT: usize = 64 << 20;
/// Reads that one question may need: an honest one needs some ten thousand.
const READS: u64 = 64 << 20;
/// Words that one input changes.
const PATCHES: usize = 24;

/// A process, and what of its memory matters.
pub struct Process {
    image: &'static Image<'static>,
    /// As an image lives as long as the program, so does all that goes with it.
    memory: &'static Tampered,
    progress: &'static Progress,
    /// Every word that some question reads.
    words: Vec<u64>,
    /// The maps that `ls` lists, as they are named on a command line.
    maps: Vec<String>,
}

impl Process {
    /// From a core and its executable, both compressed. Lives as long as the program.
    ///
    /// # Panics
    ///
    /// They are no sound files.
    pub fn open(core: &[u8], exe: &[u8]) -> Process {
        let exe: &'static [u8] = unpacked(exe).leak();
        let elf = Box::leak(Box::new(Elf::parse(exe).expect("an executable")));
        let image = Box::leak(Box::new(Image::parse(elf).expect("a Go program")));
        let mut core = Core::from_bytes(unpacked(core)).expect("a core");
        splice(&mut core, elf, &|| Box::new(exe));
        let memory = Box::leak(Box::new(Tampered::of(core)));
        let progress = Box::leak(Box::default());
        let mut process = Process { image, memory, progress, words: Vec::new(), maps: Vec::new() };
        process.explore();
        process
    }

    /// Asks every question once of the process as it is.
    fn explore(&mut self) {
        let mut out = Vec::new();
        self.ask(&all(), &mut Ndjson::new(&mut out));
        let text = String::from_utf8(out).expect("UTF-8");
        let addresses = text.split("\"addr\":\"").skip(1).filter_map(|rest| rest.split('"').next());
        self.maps = addresses.map(str::to_owned).collect();
        assert!(self.maps.len() > 100, "only {} maps: {text:.200}", self.maps.len());
        self.ask(
            &Verify { map: None, map_type: None, racing: false },
            &mut Ndjson::new(&mut Vec::new()),
        );
        for map in self.maps.iter().take(60) {
            self.ask(&entries(map), &mut Ndjson::new(&mut Vec::new()));
        }
        let read = self.memory.read.take().unwrap_or_default();
        self.words = read.into_iter().collect();
    }

    /// Forgets every change.
    pub fn rewind(&self) {
        self.memory.words.borrow_mut().clear();
        self.memory.reads.set(0);
    }

    /// The process as it is, understood once.
    ///
    /// # Panics
    ///
    /// It cannot be.
    pub fn go(&self) -> &'static Go<'static> {
        let go = Go::open(self.image, self.memory, self.progress).expect("a sound process");
        Box::leak(Box::new(go))
    }

    /// Asks one question after the changes that `input` states.
    pub fn fuzz(&self, input: &[u8]) {
        let Some(([how, which], patches)) = input.split_first_chunk::<2>() else { return };
        self.rewind();
        for patch in patches.as_chunks::<12>().0.iter().take(PATCHES) {
            self.patch(patch);
        }
        let map = &self.maps[usize::from(*which) % self.maps.len()];
        let mut out = Limited(Vec::new());
        let sink: &mut dyn Sink = match how & 8 {
            0 => &mut Text::new(&mut out, false),
            _ => &mut Ndjson::new(&mut out),
        };
        match how % 8 {
            0 | 1 => self.ask(&all(), sink),
            2 => self.ask(&Verify { map: None, map_type: None, racing: false }, sink),
            3 => self.ask(&Verify { map: Some(map.clone()), map_type: None, racing: true }, sink),
            4 | 5 => self.ask(&entries(map), sink),
            6 => self.ask(&Show { map: map.clone(), map_type: None, width: 100 }, sink),
            _ => self.ask(&get(map, *which), sink),
        }
        harmless(&out.0);
    }

    fn patch(&self, patch: &[u8; 12]) {
        let [p0, p1, p2, kind, value @ ..] = *patch;
        let place = u32::from_le_bytes([p0, p1, p2, 0]) as usize;
        let word = self.words[place % self.words.len()];
        let value = u64::from_le_bytes(value);
        let pointer = self.words[value as usize % self.words.len()];
        let mut old = [0; 8];
        if self.memory.read(Addr(word), &mut old).is_err() {
            return;
        }
        let old = u64::from_le_bytes(old);
        let shift = (value >> 8 & 7) * 8;
        let new = match kind % 6 {
            0 | 1 => old & !(0xff << shift) | (value & 0xff) << shift,
            2 => value,
            3 => pointer,
            4 => pointer.wrapping_add(value >> 32 & 7),
            _ => old.wrapping_add(value as i8 as u64),
        };
        self.memory.words.borrow_mut().insert(word, new.to_le_bytes());
    }

    fn ask(&self, question: &dyn Analysis, sink: &mut dyn Sink) {
        if let Ok(go) = Go::open(self.image, self.memory, self.progress) {
            let _ = question.run(&go, sink);
        }
    }
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut decoder = Packing::Zstd.decoder(bytes);
    std::io::Read::read_to_end(&mut decoder, &mut out).expect("a sound file");
    out
}

fn all() -> Ls<'static> {
    Ls { type_filter: None, condition: None, order: Order::default(), limit: None, by: None }
}

fn entries(map: &str) -> Entries {
    let limits = Limits::default();
    Entries { map: map.to_owned(), map_type: None, values: true, limit: Some(500), limits }
}

fn get(map: &str, which: u8) -> Get {
    let key = [r#""s-0001""#, "7", r#"int(5)"#, "[4]uint8{1, 2, 3, 4}"][usize::from(which) % 4];
    Get { map: map.to_owned(), key: key.to_owned(), map_type: None, limits: Limits::default() }
}

/// No byte of a report can move a terminal's cursor, and all of it is text.
fn harmless(report: &[u8]) {
    let text = std::str::from_utf8(report).expect("UTF-8");
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(control), "a control character in a report");
}

/// A report with a limit.
struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        assert!(self.0.len() + bytes.len() <= REPORT, "a report without end");
        self.0.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A core with some of its words changed.
struct Tampered {
    core: Core,
    words: RefCell<BTreeMap<u64, [u8; 8]>>,
    /// The words that were read, until that is known.
    read: RefCell<Option<BTreeSet<u64>>>,
    reads: Cell<u64>,
}

impl Tampered {
    fn of(core: Core) -> Tampered {
        let read = RefCell::new(Some(BTreeSet::new()));
        Tampered { core, words: RefCell::default(), read, reads: Cell::new(0) }
    }

    /// Whether a word of this range was changed.
    fn touches(&self, addr: Addr, len: usize) -> bool {
        let range = (addr.0 & !7)..addr.0.saturating_add(len as u64);
        range.start < range.end && self.words.borrow().range(range).next().is_some()
    }

    fn count(&self, addr: Addr, len: usize) {
        self.reads.set(self.reads.get().wrapping_add(1));
        assert!(self.reads.get() < READS, "more reads than any question needs");
        if let Some(read) = &mut *self.read.borrow_mut() {
            let end = addr.0.saturating_add(len as u64);
            read.extend((addr.0 & !7..end).step_by(8).take(512));
        }
    }
}

impl Memory for Tampered {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.count(addr, buf.len());
        self.core.read(addr, buf)?;
        if self.touches(addr, buf.len()) {
            let end = addr.0 + buf.len() as u64;
            for (word, bytes) in self.words.borrow().range(addr.0 & !7..end) {
                for (at, byte) in (*word..).zip(bytes) {
                    let place = at.checked_sub(addr.0).and_then(|i| buf.get_mut(i as usize));
                    if let Some(place) = place {
                        *place = *byte;
                    }
                }
            }
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        self.count(addr, len);
        if self.touches(addr, len) { None } else { self.core.borrow(addr, len) }
    }
}

impl Target for Tampered {
    delegate_target!(self => &self.core);
}
