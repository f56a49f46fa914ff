//! Operations of a map, by the runtime's function that does them.

/// What is done to a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `m[k]`
    Read,
    /// `m[k] = v`
    Write,
    /// `delete(m, k)`
    Delete,
    /// `for range m`
    Iterate,
    /// `clear(m)`
    Clear,
    /// `maps.Clone(m)`
    Clone,
}

/// The functions that compiled code calls, by how their names begin (cmd/compile/internal/typecheck/
/// _builtin/runtime.go, Go 1.19 to 1.27). All take the map's type first, then the map.
const CALLS: [(&str, Operation); 8] = [
    ("runtime.mapaccess", Operation::Read),
    ("runtime.mapassign", Operation::Write),
    ("runtime.mapdelete", Operation::Delete),
    ("runtime.mapiter", Operation::Iterate),
    ("runtime.mapIter", Operation::Iterate),
    ("runtime.mapclear", Operation::Clear),
    ("runtime.mapclone", Operation::Clone),
    ("maps.clone", Operation::Clone),
];

impl Operation {
    /// What the function of this name does to a map.
    pub fn of(function: &str) -> Option<Operation> {
        CALLS.iter().find(|(begin, _)| function.starts_with(begin)).map(|(_, operation)| *operation)
    }

    /// Whether it is done to one key: the argument after the map.
    pub fn has_key(self) -> bool {
        matches!(self, Operation::Read | Operation::Write | Operation::Delete)
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Delete => "delete",
            Operation::Iterate => "iterate",
            Operation::Clear => "clear",
            Operation::Clone => "clone",
        }
    }
}
