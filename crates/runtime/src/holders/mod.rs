//! Which goroutines hold a map, and what they do to it.
//!
//! Go by Go's own account of each frame: which map an operation of the runtime is on is followed
//! through its code from the register it took the map in; which words of a frame hold pointers that
//! are alive is what the garbage collector goes by; variables are where DWARF says. What is merely
//! found in a frame may be left over, and is called so.

mod frame;
mod operation;
mod variables;

use std::cell::RefCell;
use std::rc::Rc;

use mapscope_binary::FileVa;
use mapscope_binary::dwarf::Variable;
use mapscope_target::{Addr, MemoryExt, Thread};
use rustc_hash::FxHashMap;

use crate::code::argument::Kept;
use crate::evidence::{Hiter, SwissIter};
use crate::goroutine::{Goroutine, Scheduler};
use crate::stack::Unwinder;
use crate::types::TypeId;
use crate::{Go, OpenError};

pub use operation::{Op, Takes, operation};

/// Frames looked into on one stack.
const MAX_FRAMES: usize = 10_000;
/// Findings about one map that are kept.
const MAX_FOUND: usize = 1 << 16;
/// Registers by DWARF's numbers.
const REGISTERS: [&str; 16] = [
    "RAX", "RDX", "RCX", "RBX", "RSI", "RDI", "RBP", "RSP", "R8", "R9", "R10", "R11", "R12", "R13",
    "R14", "R15",
];

/// How a frame holds a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// In a register.
    Register(&'static str),
    /// In a register that a signal handler saved as it interrupted the goroutine to let others
    /// run (`runtime.asyncPreempt`).
    Saved(&'static str),
    /// In the slot of an argument, so many bytes above where the frame ends.
    Spill(u64),
    /// In this variable, or in the field or element of it that is named.
    Variable(String),
    /// By an iterator over the map, so many bytes above the frame's stack pointer.
    Iterator {
        /// Where it is.
        offset: u64,
        /// It has reached its end.
        at_end: bool,
    },
    /// In a word, so many bytes above the frame's stack pointer.
    Word(u64),
    /// The header itself lies in the frame, so many bytes above its stack pointer.
    Header(u64),
}

/// How sure it is that a frame holds a map now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    /// The word may be left over from what was there before.
    Maybe,
    /// It is a pointer that is alive, as the garbage collector sees it.
    Alive,
    /// The code, or DWARF, says that it is there.
    Proven,
}

impl Sure {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Sure::Maybe => "maybe",
            Sure::Alive => "alive",
            Sure::Proven => "proven",
        }
    }
}

/// A frame that holds a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The goroutine's number.
    pub goroutine: u64,
    /// Which of its frames: 0 is the innermost.
    pub frame: usize,
    /// The function of the frame, the innermost inlined one where a variable of it holds the map.
    pub function: String,
    /// Its source file; empty where it is not known.
    pub file: String,
    /// The line; 0 where it is not known.
    pub line: u32,
    /// What the function does to the map, where it is one of the runtime's for maps.
    pub op: Option<Op>,
    /// How it holds it.
    pub how: How,
    /// How sure that is.
    pub sure: Sure,
}

/// Every frame that holds a map.
#[derive(Debug, Default)]
pub struct Holders {
    /// The frames, by goroutine, innermost first.
    pub held: Vec<Held>,
    /// How many goroutines were looked at.
    pub goroutines: usize,
    /// What could not be read.
    pub missing: Vec<String>,
}

impl Holders {
    /// What a goroutine does to the map: of the operations that its frames are in the outermost,
    /// and whether the map is proven to be the one it is on.
    pub fn operation(&self, goroutine: u64) -> Option<(Op, Sure)> {
        let own = || self.held.iter().filter(|held| held.goroutine == goroutine);
        let (op, _) = own().filter_map(|held| Some((held.op?, held.frame))).max_by_key(|o| o.1)?;
        let sure = own().filter(|held| held.op.is_some()).map(|held| held.sure).max();
        Some((op, sure.unwrap_or(Sure::Maybe)))
    }
}

impl<'a> Go<'a> {
    /// Every goroutine that has the map with its header at `map` in a frame or a register.
    ///
    /// # Errors
    ///
    /// There is no evidence for the layout of goroutines.
    pub fn holders_of(&self, map: Addr) -> Result<Holders, OpenError> {
        self.holders(map, MAX_FRAMES)
    }

    /// The same, looking into the `depth` innermost frames of each goroutine only: an operation on
    /// a map has few frames of its own.
    ///
    /// # Errors
    ///
    /// There is no evidence for the layout of goroutines.
    pub fn holders(&self, map: Addr, depth: usize) -> Result<Holders, OpenError> {
        let scheduler = Scheduler::open(self)?;
        let threads = self.target.threads();
        let mut holders = Holders::default();
        let goroutines = match scheduler.goroutines(self) {
            Ok(goroutines) => goroutines,
            Err(fault) => {
                holders.missing.push(format!("the list of goroutines: {fault}"));
                return Ok(holders);
            }
        };
        let unreadable = goroutines.unreadable.iter();
        holders.missing.extend(unreadable.map(|fault| format!("a goroutine: {fault}")));
        let search = Search::new(self, &scheduler, &threads, map);
        self.progress.begin("reading stacks", goroutines.all.len() as u64);
        for goroutine in goroutines.all.iter().filter(|g| g.is_alive()) {
            if self.progress.cancelled() || holders.held.len() >= MAX_FOUND {
                break;
            }
            self.progress.step(1);
            search.goroutine(goroutine, depth.min(MAX_FRAMES), &mut holders);
        }
        holders.held.sort_by_key(|held| (held.goroutine, held.frame));
        Ok(holders)
    }
}

/// The search for one map.
struct Search<'s, 'a> {
    go: &'s Go<'a>,
    unwinder: Option<Unwinder<'s, 'a>>,
    map: Addr,
    iterator: Option<Iterator>,
    /// The variables at each place, which many goroutines share.
    variables: RefCell<FxHashMap<FileVa, Rc<Vec<Variable<'a>>>>>,
    /// Where an operation keeps its map, at each place.
    kept: RefCell<FxHashMap<FileVa, Rc<Vec<Kept>>>>,
}

/// Where an iterator keeps what.
#[derive(Clone, Copy, Debug)]
struct Iterator {
    size: u64,
    key: u64,
    ty: u64,
    map: u64,
}

impl Iterator {
    /// The iterator of the implementation of maps that is in the binary.
    fn of(go: &Go<'_>) -> Option<Iterator> {
        let source = go.layouts().source();
        match go.shape.has_chains() {
            true => {
                let Hiter { size, key, t, h } = Hiter::load(source).ok()?;
                Some(Iterator { size, key, ty: t, map: h })
            }
            false => {
                let SwissIter { size, key, typ, m } = SwissIter::load(source).ok()?;
                Some(Iterator { size, key, ty: typ, map: m })
            }
        }
    }
}

impl Go<'_> {
    /// The map that the runtime's iterator at `at` goes through, and its type; `None` where what is
    /// there is no iterator.
    pub fn iterated(&self, at: Addr) -> Option<(TypeId, Addr)> {
        let iterator = Iterator::of(self)?;
        let word = |offset| self.memory().addr(at.checked_add(offset)?).ok();
        let ty = self.type_word(word(iterator.ty)?).ok()?;
        self.types.map(ty)?;
        Some((ty, word(iterator.map)?))
    }
}

impl<'s, 'a> Search<'s, 'a> {
    fn new(
        go: &'s Go<'a>,
        scheduler: &'s Scheduler,
        threads: &'s [Thread],
        map: Addr,
    ) -> Search<'s, 'a> {
        Search {
            go,
            unwinder: scheduler.unwinder(go, threads),
            map,
            iterator: Iterator::of(go),
            variables: RefCell::default(),
            kept: RefCell::default(),
        }
    }

    fn goroutine(&self, goroutine: &Goroutine, depth: usize, holders: &mut Holders) {
        let Some(unwinder) = &self.unwinder else { return };
        holders.goroutines += 1;
        let stack = unwinder.stack(goroutine, depth);
        if let Some(broken) = &stack.broken {
            holders.missing.push(format!("the stack of goroutine {}: {broken}", goroutine.id));
        }
        for (number, _) in stack.frames.iter().enumerate() {
            let looked = frame::Look { search: self, stack: &stack, number, goroutine };
            looked.gather(holders);
        }
    }
}

impl How {
    /// In words, of a frame of `function`: `spill slot +8`.
    fn words(&self) -> String {
        match self {
            How::Register(name) => format!("register {name}"),
            How::Saved(name) => format!("register {name}, saved when it was preempted"),
            How::Spill(offset) => format!("spill slot +{offset:#x}"),
            How::Variable(name) => format!("variable {name}"),
            How::Iterator { offset, at_end: false } => format!("iterator at frame+{offset:#x}"),
            How::Iterator { offset, at_end: true } => {
                format!("iterator at frame+{offset:#x}, not begun or at its end")
            }
            How::Word(offset) => format!("word at frame+{offset:#x}"),
            How::Header(offset) => format!("its header, at frame+{offset:#x}"),
        }
    }
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words())
    }
}
