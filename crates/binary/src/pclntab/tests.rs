//! A small pclntab made by hand, read whole, cut off everywhere and mutated.

use super::*;

const TEXT: FileVa = FileVa(0x40_1000);

/// Writes tables as the linker does, in either layout.
struct Writer {
    layout: Layout,
    names: Vec<u8>,
    values: Vec<u8>,
    gofunc: Vec<u8>,
    records: Vec<(u32, Vec<u8>)>,
}

impl Writer {
    fn new(layout: Layout) -> Writer {
        // Offset 0 of the value tables stands for no table.
        let (names, gofunc, records) = (Vec::new(), Vec::new(), Vec::new());
        Writer { layout, names, values: vec![0], gofunc, records }
    }

    fn name(&mut self, name: &str) -> u32 {
        let at = self.names.len() as u32;
        self.names.extend(name.bytes().chain([0]));
        at
    }

    /// A value table from steps of a value and how many bytes of code it holds for.
    fn values(&mut self, steps: &[(i32, u32)]) -> u32 {
        let at = self.values.len() as u32;
        let mut last = -1;
        for &(value, len) in steps {
            let delta = value - last;
            last = value;
            varint(&mut self.values, (delta << 1) as u32 ^ (delta >> 31) as u32);
            varint(&mut self.values, len);
        }
        self.values.push(0);
        at
    }

    fn call(&mut self, name: u32, parent: u32) {
        let words: &[u32] = match self.layout {
            Layout::Go118 => &[0xffff, 0, 7, name, parent],
            Layout::Go120 => &[0, name, parent, 30],
        };
        self.gofunc.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    }

    fn func(&mut self, entry: u32, head: [u32; 8], flags: u8, pcdata: &[u32], funcdata: &[u32]) {
        let [name, args, deferreturn, pcsp, pcfile, pcln, unit, start_line] = head;
        let mut words = vec![entry, name, args, deferreturn, pcsp, pcfile, pcln];
        words.extend([pcdata.len() as u32, unit]);
        if self.layout == Layout::Go120 {
            words.push(start_line);
        }
        words.push(u32::from_le_bytes([0, flags, 0, funcdata.len() as u8]));
        words.extend(pcdata.iter().chain(funcdata));
        self.records.push((entry, words.iter().flat_map(|w| w.to_le_bytes()).collect()));
    }

    fn finish(self, end: u32) -> (Vec<u8>, Vec<u8>) {
        let files = b"/src/a.go\0/src/b.go\0".to_vec();
        let units: Vec<u8> = [0u32, 10, u32::MAX].iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut funcs = Vec::new();
        let mut record_at = (self.records.len() * ENTRY + 4) as u32;
        for (entry, record) in &self.records {
            funcs.extend(entry.to_le_bytes().iter().chain(&record_at.to_le_bytes()));
            record_at += record.len() as u32;
        }
        funcs.extend(end.to_le_bytes());
        funcs.extend(self.records.iter().flat_map(|(_, record)| record));
        let magic = if self.layout == Layout::Go118 { 0xfffffff0u32 } else { 0xfffffff1 };
        let mut out = magic.to_le_bytes().to_vec();
        out.extend([0, 0, 1, 8]);
        let mut at = HEADER as u64;
        let mut words = vec![self.records.len() as u64, 2, 0];
        for table in [&self.names, &units, &files, &self.values, &funcs] {
            words.push(at);
            at += table.len() as u64;
        }
        out.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        for table in [&self.names, &units, &files, &self.values, &funcs] {
            out.extend(table);
        }
        (out, self.gofunc)
    }
}

fn varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// `main.a` at 0 with two nested inlined calls, `main.b` at 0x200, the top of its stack.
fn sample(layout: Layout) -> (Vec<u8>, Vec<u8>) {
    let mut w = Writer::new(layout);
    let (a, b) = (w.name("main.a"), w.name("main.b"));
    let (outer, inner) = (w.name("main.outer"), w.name("main.inner"));
    let sp = w.values(&[(0, 8), (40, 0x1e8), (0, 0x10)]);
    let file = w.values(&[(0, 0x20), (1, 0x1e0)]);
    let line = w.values(&[(10, 0x10), (11, 0x10), (300, 0x10), (301, 0x1d0)]);
    let tree = w.values(&[(-1, 0x10), (0, 0x10), (1, 0x10), (-1, 0x1d0)]);
    w.call(outer, 0x8);
    w.call(inner, 0x18);
    w.func(0, [a, 24, 0x1f0, sp, file, line, 0, 9], 0, &[0, 0, tree], &[u32::MAX, 0, 8, 0]);
    w.func(0x200, [b, 0x8000_0000, 0, 0, 0, 0, 0, 50], 5, &[], &[]);
    w.finish(0x280)
}

fn at(offset: u64) -> FileVa {
    FileVa(TEXT.0 + offset)
}

#[test]
fn both_layouts_tell_the_same() {
    for layout in [Layout::Go118, Layout::Go120] {
        let (bytes, gofunc) = sample(layout);
        let table = Pclntab::parse(&bytes, TEXT).unwrap().with_gofunc(&gofunc);
        assert_eq!(table.funcs().map(|f| f.name()).collect::<Vec<_>>(), ["main.a", "main.b"]);
        let a = table.find(at(0x1ff)).unwrap();
        assert_eq!((a.name(), a.entry(), a.end()), ("main.a", at(0), at(0x200)));
        let deltas = [0, 7, 8, 0x1ef, 0x1f0].map(|pc| a.sp_delta(at(pc)));
        assert_eq!(deltas, [Some(0), Some(0), Some(40), Some(40), Some(0)]);
        assert_eq!((a.sp_delta(at(0x200)), a.sp_delta(FileVa(0))), (None, None));
        assert_eq!((a.funcdata(0), a.funcdata(2), a.funcdata(4)), (None, Some(8), None));
        assert_eq!(
            (a.pcdata(0, at(0)), a.pcdata(2, at(0)), a.pcdata(3, at(0))),
            (None, Some(-1), None)
        );
    }
}

#[test]
fn inlined_calls_come_innermost_first() {
    for layout in [Layout::Go118, Layout::Go120] {
        let (bytes, gofunc) = sample(layout);
        let table = Pclntab::parse(&bytes, TEXT).unwrap().with_gofunc(&gofunc);
        let frames = table.find(at(0x25)).unwrap().frames(at(0x25));
        let flat: Vec<_> = frames.iter().map(|f| (f.function, f.file, f.line, f.inlined)).collect();
        let expected = [
            ("main.inner", "/src/b.go", 300, true),
            ("main.outer", "/src/a.go", 11, true),
            ("main.a", "/src/a.go", 10, false),
        ];
        assert_eq!(flat, expected);
        let alone = Pclntab::parse(&bytes, TEXT).unwrap();
        assert_eq!(alone.find(at(0x25)).unwrap().frames(at(0x25)).len(), 1);
    }
}

#[test]
fn flags_and_a_function_without_tables() {
    let (bytes, _) = sample(Layout::Go120);
    let table = Pclntab::parse(&bytes, TEXT).unwrap();
    let b = table.named("main.b").unwrap();
    assert!(b.is_top_frame() && b.is_assembly() && !b.writes_sp());
    assert_eq!((b.sp_delta(at(0x200)), b.line(at(0x200))), (None, None));
    assert!(table.find(at(0x280)).is_none());
    assert!(table.find(FileVa(TEXT.0 - 1)).is_none());
    assert_eq!(table.end(), Some(at(0x280)));
}

#[test]
fn headers_that_are_refused() {
    let (bytes, _) = sample(Layout::Go120);
    let with = |index: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[index] = byte;
        Pclntab::parse(&bytes, TEXT).unwrap_err()
    };
    assert_eq!(with(0, 0xfa), PclntabError::Magic { magic: 0xffff_fffa });
    assert_eq!(with(7, 4), PclntabError::Machine { pointer: 4, quantum: 1 });
    assert!(matches!(with(15, 1), PclntabError::CutOff { what: "function table", .. }));
    assert!(matches!(with(39, 1), PclntabError::CutOff { what: "name table", .. }));
    assert_eq!(Pclntab::parse(&[], TEXT).unwrap_err(), PclntabError::Missing);
}

/// Asks everything of a table, wherever it leads.
fn exercise(bytes: &[u8], gofunc: &[u8]) {
    let Ok(table) = Pclntab::parse(bytes, TEXT) else { return };
    let table = table.with_gofunc(gofunc);
    for func in table.funcs() {
        let _ = (func.name(), func.sp_deltas().count());
        let _ = (0..=255).filter_map(|index| func.funcdata(index)).count();
    }
    for pc in [0, 0x15, 0x25, 0x1ff, 0x200, 0x27f].map(at) {
        let Some(func) = table.find(pc) else { continue };
        let _ = (func.frames(pc), func.sp_delta(pc), func.pcdata(2, pc));
    }
}

#[test]
fn no_truncation_panics() {
    let (bytes, gofunc) = sample(Layout::Go120);
    for end in 0..bytes.len() {
        exercise(&bytes[..end], &gofunc);
    }
    for end in 0..gofunc.len() {
        exercise(&bytes, &gofunc[..end]);
    }
}

#[test]
fn no_mutation_panics() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for layout in [Layout::Go118, Layout::Go120] {
        let (bytes, gofunc) = sample(layout);
        for _ in 0..20_000 {
            let (mut bytes, mut gofunc) = (bytes.clone(), gofunc.clone());
            for _ in 0..1 + random() % 4 {
                let at = random() as usize % (bytes.len() + gofunc.len());
                let value = if random() % 2 == 0 { 0xff } else { random() as u8 };
                match bytes.get_mut(at) {
                    Some(byte) => *byte = value,
                    None => gofunc[at - bytes.len()] = value,
                }
            }
            exercise(&bytes, &gofunc);
        }
    }
}

#[test]
fn what_is_deferred_lies_in_slots() {
    let deferred = |data: &[u32]| {
        let mut w = Writer::new(Layout::Go120);
        let name = w.name("main.a");
        data.iter().for_each(|value| varint(&mut w.gofunc, *value));
        w.func(
            0,
            [name, 0, 0, 0, 0, 0, 0, 1],
            0,
            &[],
            &[u32::MAX, u32::MAX, u32::MAX, u32::MAX, 0],
        );
        let (bytes, gofunc) = w.finish(0x10);
        let table = Pclntab::parse(&bytes, TEXT).unwrap().with_gofunc(&gofunc);
        table.find(at(0)).unwrap().deferred()
    };
    // Two, each with its place.
    assert_eq!(deferred(&[25, 2, 40, 208]), [56, 224]);
    // From 32 on, as many as there are.
    assert_eq!(deferred(&[9, 32]), [48, 40, 32, 24]);
    assert_eq!(deferred(&[9]), []);
    assert_eq!(deferred(&[9, u32::MAX]), []);
}
