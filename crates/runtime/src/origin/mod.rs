//! Where a value came from: backwards through the machine code of one function.
//!
//! A crash tells which call failed and that an argument of it was nil. What the source calls that
//! argument is in no register any more. But the instructions before the call say how it was made: the
//! word at offset 24 of what the first argument points to, a global, an elem of a map that was just
//! looked up. [`Body::argument`] follows an argument of a call back to where it was loaded; names are
//! given to that elsewhere, by DWARF ([`naming`]) or by the types of the binary.

mod asserted;
mod body;
mod by_value;
mod effect;
mod filled;
mod holder;
mod listing;
pub mod makers;
pub mod naming;
mod parts;
mod pointers;
pub mod registers;
mod resolve;
mod scope;
mod shapes;
mod trace;

use mapscope_binary::FileVa;

pub use body::Body;
pub use holder::Unlisted;
pub use listing::Listed;
pub use pointers::Followed;
pub use resolve::Resolver;

/// How a value was made, as the code of its function tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// How.
    pub made: Made,
    /// Where it was kept on the way, the place nearest to its use first: DWARF may name it there.
    pub kept: Vec<Kept>,
}

/// Where a value is just before an instruction is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    /// The instruction.
    pub at: FileVa,
    /// Where it is then.
    pub spot: Spot,
}

/// A place of one function that holds a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spot {
    /// A general register, by its number in the instruction set (RAX, RCX, RDX, RBX, RSP, …).
    Register(u8),
    /// A word of the frame, in bytes from its canonical address.
    Slot(i32),
}

/// How a value was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is this number; zero is nil.
    Constant(u64),
    /// The address of something in the executable.
    Address(FileVa),
    /// The address of a word of the frame, in bytes from its canonical address.
    Frame(i32),
    /// What the function was called with, in the register of that number in the order of arguments.
    Argument(u8),
    /// What the function was called with, on the stack: bytes from the frame's canonical address.
    Stacked(i32),
    /// The closure that the function was called with.
    Context,
    /// What a call returned, in the register of that number in the order of results.
    Result {
        /// The return address.
        call: FileVa,
        /// The function, where the call names it.
        callee: Option<FileVa>,
        /// Which result.
        number: u8,
    },
    /// What came out of one of the channels of a select.
    Received,
    /// What a call has put into a variable of the frame whose address it was given.
    Filled {
        /// The return address.
        call: FileVa,
        /// The function, where the call names it.
        callee: Option<FileVa>,
        /// How many bytes into the variable.
        offset: u64,
        /// It came out of a channel.
        channel: bool,
    },
    /// The word in memory so far from what a value points to.
    Word {
        /// The pointer.
        base: Box<Origin>,
        /// What is added to it, and how many times.
        index: Option<(Box<Origin>, u32)>,
        /// How many bytes further.
        offset: i64,
    },
    /// So far from what a value points to: the address itself.
    Inside {
        /// The pointer.
        base: Box<Origin>,
        /// What is added to it, and how many times.
        index: Option<(Box<Origin>, u32)>,
        /// How many bytes further.
        offset: i64,
    },
    /// So many times a value, as an index is of items of that size.
    Times {
        /// The value.
        of: Box<Origin>,
        /// How many times.
        by: u64,
    },
    /// One of these, depending on the way that the code took.
    Either(Vec<Origin>),
    /// What it was itself, a round of a loop before: `p` of `p = p.next`.
    Again,
    /// The code does something with it that is not followed.
    Unknown,
}

impl Origin {
    /// The value of which `scale` times this one is a multiple, and how many times in all:
    /// the index itself, and the size of an item.
    pub fn stride(&self, scale: u64) -> (&Origin, u64) {
        let (mut origin, mut scale) = (self, scale);
        while let Made::Times { of, by } = &origin.made {
            (origin, scale) = (of, scale.saturating_mul(*by));
        }
        (origin, scale)
    }
}

impl Made {
    /// Whether `other` was made the same way, wherever it was kept since. What is unknown is like
    /// nothing.
    fn is_like(&self, other: &Made) -> bool {
        let indices = |a: &Option<(Box<Origin>, u32)>, b: &Option<(Box<Origin>, u32)>| match (a, b)
        {
            (Some((a, by)), Some((b, other))) => by == other && a.made.is_like(&b.made),
            (None, None) => true,
            _ => false,
        };
        match (self, other) {
            (Made::Unknown | Made::Received | Made::Again | Made::Either(_), _) => false,
            (Made::Word { base, index, offset }, Made::Word { base: b, index: i, offset: o })
            | (
                Made::Inside { base, index, offset },
                Made::Inside { base: b, index: i, offset: o },
            ) => offset == o && base.made.is_like(&b.made) && indices(index, i),
            (Made::Times { of, by }, Made::Times { of: o, by: b }) => {
                by == b && of.made.is_like(&o.made)
            }
            _ => self == other,
        }
    }
}
