//! Stacks made by hand: every way in which they can be wrong.

use mapscope_binary::{FileVa, Pclntab};
use mapscope_target::{Addr, Fault, Memory, Why};

use super::walk::Start;
use super::*;

/// Where the code is linked to lie, how far above it is loaded, and where the stack lies.
const TEXT: u64 = 0x40_1000;
const BIAS: u64 = 0x10_0000;
const STACK: Range<Addr> = Addr(0xc000)..Addr(0xd000);
/// Flags of a function in the pclntab.
const TOP: u8 = 1;
const WRITES_SP: u8 = 2;

/// One page of stack.
struct Page(Vec<u8>);

impl Memory for Page {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let at = addr.offset_from(STACK.start).and_then(|at| self.0.get(at as usize..));
        let bytes = at.and_then(|bytes| bytes.get(..buf.len()));
        buf.copy_from_slice(bytes.ok_or(Fault::new(addr, Why::Unmapped))?);
        Ok(())
    }
}

impl Page {
    /// A page with these words at these addresses.
    fn with(words: &[(u64, u64)]) -> Page {
        let mut page = vec![0; 0x1000];
        for (addr, word) in words {
            let at = (addr - STACK.start.0) as usize;
            page[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        Page(page)
    }
}

/// A pclntab of functions of 0x100 bytes each, by name, flags, and whether they have a frame: of
/// 0x28 bytes from their eighth instruction byte on.
fn pclntab(functions: &[(&str, u8, bool)]) -> Vec<u8> {
    // No table at 0; at 1: depth 0 for 8 bytes, 0x28 for 0xf8.
    let depths = [0, 2, 8, 0x50, 0xf8, 1, 0];
    let mut names = Vec::new();
    let mut records = Vec::new();
    let table = functions.len() as u32 * 8 + 4;
    let mut entries = Vec::new();
    for (index, (name, flags, frame)) in functions.iter().enumerate() {
        let entry = index as u32 * 0x100;
        entries.extend([entry, table + index as u32 * 44]);
        let last = u32::from_le_bytes([0, *flags, 0, 0]);
        records.extend([entry, names.len() as u32, 0, 0, u32::from(*frame), 0, 0, 0, 0, 1, last]);
        names.extend(name.bytes().chain([0]));
    }
    entries.push(functions.len() as u32 * 0x100);
    let funcs = entries.iter().chain(&records).flat_map(|word| word.to_le_bytes());
    let names_at = 72 + depths.len() as u64;
    let funcs_at = names_at + names.len() as u64;
    let mut out = b"\xf1\xff\xff\xff\0\0\x01\x08".to_vec();
    let head = [functions.len() as u64, 0, 0, names_at, 0, 0, 72, funcs_at];
    out.extend(head.iter().flat_map(|word| word.to_le_bytes()));
    out.extend(depths.iter().chain(&names).copied().chain(funcs));
    out
}

/// The functions of these tests, each 0x100 bytes after the one before.
const FUNCTIONS: [(&str, u8, bool); 6] = [
    ("runtime.goexit", TOP, true),
    ("main.caller", 0, true),
    ("main.callee", 0, true),
    ("runtime.sigpanic", 0, true),
    ("runtime.mcall", WRITES_SP, true),
    ("c.function", 0, false),
];

/// Byte `at` of function `index`, in the process.
fn pc(index: u64, at: u64) -> u64 {
    BIAS + TEXT + index * 0x100 + at
}

/// The names of the frames from there on, and what ended them.
fn walk(words: &[(u64, u64)], pc: u64, sp: u64, limit: usize) -> (Vec<String>, Result<(), Broken>) {
    let bytes = pclntab(&FUNCTIONS);
    let table = Pclntab::parse(&bytes, FileVa(TEXT)).unwrap();
    let page = Page::with(words);
    let start = Start { pc: Addr(pc), sp: Addr(sp), exact: true, trusted: false, registers: None };
    let code = Code::new(&table, BIAS);
    let mut walk = Walk::new(&page, code, STACK, Ok(start), limit);
    let names = walk.by_ref().map(|frame| frame.func.name().to_owned()).collect();
    (names, walk.outcome().clone())
}

#[test]
fn frames_up_to_the_top() {
    // The callee stands at its entry, its caller within its frame.
    let words = [(0xc100, pc(1, 0x20)), (0xc108 + 0x28, pc(0, 1))];
    let (names, outcome) = walk(&words, pc(2, 0), 0xc100, 10);
    assert_eq!(names, ["main.callee", "main.caller", "runtime.goexit"]);
    assert_eq!(outcome, Ok(()));
}

#[test]
fn the_caller_of_an_injected_call_stands_exactly() {
    let bytes = pclntab(&FUNCTIONS);
    let table = Pclntab::parse(&bytes, FileVa(TEXT)).unwrap();
    let page = Page::with(&[(0xc100, pc(2, 0x30)), (0xc108 + 0x28, pc(1, 0x20))]);
    let start = Start {
        pc: Addr(pc(3, 0)),
        sp: Addr(0xc100),
        exact: true,
        trusted: false,
        registers: None,
    };
    let walk = Walk::new(&page, Code::new(&table, BIAS), STACK, Ok(start), 3);
    let frames: Vec<_> = walk.map(|f| (f.exact, f.lookup(), f.cfa)).collect();
    let va = |index: u64, at: u64| FileVa(TEXT + index * 0x100 + at);
    assert_eq!(frames[0], (true, va(3, 0), Addr(0xc108)));
    assert_eq!(frames[1], (true, va(2, 0x30), Addr(0xc138)));
    assert_eq!(frames[2], (false, va(1, 0x1f), Addr(0xc168)));
}

#[test]
fn what_breaks_a_stack_is_told_and_the_frames_before_it_are_kept() {
    let outside = |sp| Err(Broken::OutOfStack { sp: Addr(sp) });
    assert_eq!(walk(&[], pc(2, 0), 0xd000, 9), (vec![], outside(0xd000)));
    assert_eq!(walk(&[], pc(2, 0), 8, 9), (vec![], outside(8)));
    let callee = || vec!["main.callee".to_owned()];
    assert_eq!(walk(&[], pc(2, 0x20), 0xcff0, 9), (callee(), outside(0xd020)));
    let not_go = Err(Broken::NotGo { pc: Addr(0x1234) });
    assert_eq!(walk(&[(0xc100, 0x1234)], pc(2, 0), 0xc100, 9), (callee(), not_go));
    let function = "c.function".into();
    let bare = Err(Broken::NoFrameInfo { function });
    assert_eq!(walk(&[(0xc100, pc(5, 9))], pc(2, 0), 0xc100, 9), (callee(), bare));
    let function = "runtime.mcall".into();
    let switches = Err(Broken::SwitchesStacks { function });
    assert_eq!(walk(&[], pc(4, 0), 0xc100, 9), (vec!["runtime.mcall".into()], switches));
}

#[test]
fn endless_recursion_ends() {
    let words: Vec<_> = (0xc000..0xcff8).step_by(8).map(|at| (at, pc(2, 0))).collect();
    let (names, outcome) = walk(&words, pc(2, 0), 0xc000, 100);
    assert_eq!((names.len(), outcome), (100, Err(Broken::TooDeep { limit: 100 })));
    // Without a limit the stack itself ends it: each frame takes some of it.
    let (names, outcome) = walk(&words, pc(2, 0), 0xc000, usize::MAX);
    assert_eq!((names.len(), outcome), (512, Err(Broken::OutOfStack { sp: STACK.end })));
}
