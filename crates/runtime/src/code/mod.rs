//! What the program's machine code says of the types of its variables.
//!
//! Without DWARF nothing names the type of a global or of a stack slot. The code that uses them
//! does: it passes a type descriptor beside a map to `runtime.mapassign`, stores what
//! `runtime.newobject` made of a type, hands a value to a method of a type. [`run`] reads every
//! function once and notes in [`sweep`] what it says of places, and which places values flow
//! between; [`solve`] carries what is known along those flows.
//!
//! What code says is evidence, not proof: a place that is told to hold two types holds candidates, and
//! so does one that a map of another type may have been converted into ([`twins`]).

pub(crate) mod argument;
mod back;
mod body;
mod callee;
mod calls;
mod decode;
mod effect;
mod facts;
mod flows;
mod graph;
mod holds;
mod instance;
mod joins;
mod known;
mod node;
mod op;
mod operands;
mod place;
mod quick;
mod receiver;
mod recent;
mod registers;
mod run;
mod solve;
mod sweep;
mod twins;

pub use facts::{Facts, Told};
pub use holds::Holds;
pub(crate) use receiver::{GENERIC, receiver, receiver_type, unescape, value_receiver};
pub(crate) use registers::{ARGUMENTS, CONTEXT};
