//! Go expressions that name a map: `main.registry.Shards[3].Counts`, or an address.

mod cursor;
mod elem;
mod eval;
mod frame;
mod hidden;
mod nearest;
mod parse;
mod promoted;

use mapscope_target::{Addr, Fault};

pub use eval::Named;
pub use parse::{Op, Parsed, SyntaxError};

/// Why an expression names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is no expression that is understood here.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// No global has such a name.
    #[error("no global variable is named {name}")]
    NoGlobal {
        /// The name.
        name: String,
        /// The nearest names there are, the nearest first.
        nearest: Vec<String>,
    },
    /// A struct has no such field.
    #[error("{ty} has no field {field}")]
    NoField {
        /// The struct.
        ty: String,
        /// The field.
        field: String,
        /// The nearest fields it has, the nearest first.
        nearest: Vec<String>,
    },
    /// An index is beyond the end.
    #[error("index {index} is beyond the {len} elements of {what}")]
    OutOfRange {
        /// What is indexed.
        what: String,
        /// The index.
        index: u64,
        /// How many elements there are.
        len: u64,
    },
    /// A map has no such key.
    #[error("{what} has no key {key}")]
    NoKey {
        /// The map.
        what: String,
        /// The key, as written.
        key: String,
    },
    /// The value cannot be gone on from like this.
    #[error("{what} is of type {ty}: {problem}")]
    Kind {
        /// The expression so far.
        what: String,
        /// Its type.
        ty: String,
        /// What does not go with it.
        problem: &'static str,
    },
    /// A pointer, map or interface on the way is nil.
    #[error("{what} is nil")]
    Nil {
        /// The expression so far.
        what: String,
    },
    /// A value on the way cannot be read.
    #[error("{what} cannot be read: {fault}")]
    Unreadable {
        /// The expression so far.
        what: String,
        /// Why.
        fault: Fault,
    },
    /// There is no such goroutine.
    #[error("there is no goroutine {id}")]
    NoGoroutine {
        /// Its number.
        id: u64,
    },
    /// A goroutine has no such variable, as far as is known.
    #[error("goroutine {goroutine} has nothing called {what}, as far as is known")]
    NoVariable {
        /// The goroutine's number.
        goroutine: u64,
        /// All that stands behind the number.
        what: String,
    },
    /// No map was found at an address.
    #[error("there is no map at {addr}")]
    NoMap {
        /// The address.
        addr: Addr,
    },
    /// Several maps are held by what this names.
    #[error("{} maps are called {what}", .maps.len())]
    Several {
        /// The expression.
        what: String,
        /// Where they are.
        maps: Vec<Addr>,
    },
}
