//! A stripped program, some of whose functions are changed.

use std::collections::BTreeSet;
use std::ops::Range;

use mapscope_analysis::{Analysis, Ls, Order};
use mapscope_binary::{Elf, FileOff};
use mapscope_report::Ndjson;
use mapscope_runtime::{Go, Image};
use mapscope_target::{Progress, Recording};

/// More than the recording holds, in bytes.
const LIMIT: u64 = 64 << 20;
/// Changes that one input makes.
const PATCHES: usize = 256;

/// A program whose machine code is read for what it says of types.
pub struct Program {
    recording: Recording,
    exe: Vec<u8>,
    /// Where in the file the bodies of its functions lie.
    functions: Vec<Range<usize>>,
}

impl Program {
    /// From a recording of it.
    ///
    /// # Panics
    ///
    /// It is no sound recording.
    pub fn open(file: &[u8]) -> Program {
        let recording = Recording::from_bytes(file, LIMIT).expect("a recording");
        let exe = recording.exe_bytes();
        let mut program = Program { recording, exe, functions: Vec::new() };
        program.functions = program.bodies();
        let (globals, closures) = program.told(&program.exe, true).expect("a sound program");
        assert!(globals > 20 && closures > 2, "the code tells {globals} and {closures} things");
        program
    }

    /// Of the functions that do not belong to the runtime: its code also leads to its variables.
    fn bodies(&self) -> Vec<Range<usize>> {
        let elf = Elf::parse_kept(&self.exe, &self.recording.exe_ranges()).expect("an executable");
        let image = Image::parse(&elf).expect("a Go program");
        let progress = Progress::default();
        let go = Go::open(&image, &self.recording, &progress).expect("a sound program");
        let table = go.pclntab().expect("functions");
        let own = table.funcs().filter(|func| {
            !func.name().starts_with("runtime.") && !func.name().starts_with("internal/")
        });
        let places = own.filter_map(|func| {
            let FileOff(start) = elf.file_off(func.entry())?;
            let len = func.end().0.checked_sub(func.entry().0)?;
            elf.bytes_at(func.entry(), len)?;
            Some(start as usize..(start + len) as usize)
        });
        let places: Vec<_> = places.collect();
        assert!(places.len() > 100, "only {} functions", places.len());
        places
    }

    /// Reads the code after the changes that `input` states.
    pub fn fuzz(&self, input: &[u8]) {
        let Some((how, patches)) = input.split_first() else { return };
        let mut exe = self.exe.clone();
        for patch in patches.as_chunks::<8>().0.iter().take(PATCHES) {
            self.patch(&mut exe, patch);
        }
        let _ = self.told(&exe, how & 3 == 0);
    }

    /// One change: which function, where in it, how, and a value.
    fn patch(&self, exe: &mut [u8], patch: &[u8; 8]) {
        let [f0, f1, at, kind, value @ ..] = *patch;
        let function = usize::from(u16::from_le_bytes([f0, f1])) % self.functions.len();
        let at = usize::from(at) * usize::from(kind >> 4 & 3).max(1);
        let number = u32::from_le_bytes(value) as usize;
        match kind % 8 {
            0 | 1 => put(exe, &self.functions[function], at, &value[..1]),
            2 => put(exe, &self.functions[function], at, &value),
            // Code of one function in another.
            3 | 4 => {
                let from = &self.functions[number % self.functions.len()];
                let skip = (number >> 16) % from.len().max(1);
                let code = exe[from.start + skip..from.end].to_vec();
                put(exe, &self.functions[function], at, &code[..code.len().min(32)]);
            }
            // The same in many functions.
            5 => self
                .functions
                .iter()
                .skip(function)
                .step_by(3)
                .for_each(|f| put(exe, f, at, &value)),
            // One instruction, again and again.
            6 => put(exe, &self.functions[function], at, &value.repeat(64)),
            _ => put(exe, &self.functions[function], at, &value[..2]),
        }
    }

    /// How many globals and closures the code tells of; nothing where the program makes no sense.
    fn told(&self, exe: &[u8], list: bool) -> Option<(usize, usize)> {
        let elf = Elf::parse_kept(exe, &self.recording.exe_ranges()).ok()?;
        let image = Image::parse(&elf).ok()?;
        let progress = Progress::default();
        let go = Go::open(&image, &self.recording, &progress).ok()?;
        let facts = go.code();
        let globals: BTreeSet<_> = facts.globals().map(|(va, _)| va).collect();
        assert!(facts.globals().all(|(_, told)| !told.is_empty()));
        let entries: Vec<_> = go.pclntab()?.funcs().map(|func| func.entry()).collect();
        for entry in &entries {
            assert!(facts.slots(*entry).all(|(_, told)| !told.is_empty()));
        }
        let closures = entries.iter().filter(|entry| facts.closure(**entry).is_some()).count();
        if list {
            let all = Ls {
                type_filter: None,
                condition: None,
                order: Order::default(),
                limit: None,
                by: None,
            };
            let _ = all.run(&go, &mut Ndjson::new(&mut Vec::new()));
        }
        Some((globals.len(), closures))
    }
}

/// Puts `bytes` into a function, as far as they fit.
fn put(exe: &mut [u8], function: &Range<usize>, at: usize, bytes: &[u8]) {
    let at = function.start + at % function.len().max(1);
    let end = (at + bytes.len()).min(function.end);
    exe[at..end].copy_from_slice(&bytes[..end - at]);
}
