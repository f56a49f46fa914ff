//! What kind of death it is, by the runtime's words.

/// A way to die on a map, as far as mapscope tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A write to a nil map.
    NilMapWrite,
    /// A writer met the mark of another.
    ConcurrentWrites,
    /// A reader met the mark of a writer.
    ConcurrentReadWrite,
    /// An iteration met the mark of a writer.
    ConcurrentIteration,
    /// `maps.Clone` met the mark of a writer.
    ConcurrentClone,
    /// A small Swiss map had no empty slot though its count said so.
    SmallMapFull,
    /// A mark of a classic map that no map has.
    BadMapState,
    /// A key whose dynamic type has no hash.
    Unhashable,
    /// A nil pointer was dereferenced: perhaps that of an elem that was not there.
    NilDereference,
    /// Every goroutine waits for another.
    Deadlock,
    /// A stack grew beyond what is allowed.
    StackOverflow,
    /// The system gave no more memory.
    OutOfMemory,
    /// An error that the runtime finds while it executes the program: an index out of range, a failed
    /// type assertion, a division by zero.
    RuntimeError,
    /// The program called `panic`.
    Panic,
    /// Any other fatal error of the runtime.
    Fatal,
    /// A signal.
    Signal,
    /// What is not known.
    Other,
}

/// The runtime's words (runtime/map*.go, internal/runtime/maps/*.go, runtime/alg.go; Go 1.19 to
/// 1.27), and what they stand for. Those of 1.25 and later for unhashable keys differ in a colon.
const TEXTS: [(&str, Kind); 20] = [
    ("assignment to entry in nil map", Kind::NilMapWrite),
    ("concurrent map writes", Kind::ConcurrentWrites),
    ("concurrent map read and map write", Kind::ConcurrentReadWrite),
    ("concurrent map iteration and map write", Kind::ConcurrentIteration),
    ("concurrent map clone and map write", Kind::ConcurrentClone),
    ("bad map state", Kind::BadMapState),
    ("hash of unhashable type", Kind::Unhashable),
    ("invalid memory address or nil pointer dereference", Kind::NilDereference),
    ("small map with no empty slot", Kind::SmallMapFull),
    ("nil pointer dereference", Kind::NilDereference),
    ("all goroutines are asleep - deadlock!", Kind::Deadlock),
    ("no goroutines (main called runtime.Goexit) - deadlock!", Kind::Deadlock),
    ("stack overflow", Kind::StackOverflow),
    ("out of memory", Kind::OutOfMemory),
    ("cannot allocate memory", Kind::OutOfMemory),
    ("send on closed channel", Kind::RuntimeError),
    ("close of closed channel", Kind::RuntimeError),
    ("close of nil channel", Kind::RuntimeError),
    ("interface conversion: ", Kind::RuntimeError),
    ("runtime error: ", Kind::RuntimeError),
];

impl Kind {
    /// What kind of death this message tells of.
    pub fn of(message: &str) -> Kind {
        // Its text has that of concurrent writes in it, in brackets.
        if message.contains("small map with no empty slot") {
            return Kind::SmallMapFull;
        }
        let says = |(text, kind): &&(&str, Kind)| {
            let mut after = message.match_indices(text).map(|(at, _)| &message[at + text.len()..]);
            after.any(|after| !kind.ends_its_line() || is_end(after))
        };
        TEXTS.iter().find(says).map_or(Kind::Other, |(_, kind)| *kind)
    }

    /// Whether the runtime says nothing after its words: a longer message is the program's own.
    fn ends_its_line(self) -> bool {
        use Kind::{ConcurrentClone, ConcurrentIteration, ConcurrentReadWrite, ConcurrentWrites};
        let concurrent =
            [ConcurrentWrites, ConcurrentReadWrite, ConcurrentIteration, ConcurrentClone];
        self == Kind::NilMapWrite || concurrent.contains(&self)
    }

    /// What the runtime says of it, where that is the same words each time and in every release.
    pub fn text(self) -> Option<&'static str> {
        use Kind::{Deadlock, Other, OutOfMemory, RuntimeError, SmallMapFull, Unhashable};
        let varies = matches!(
            self,
            Unhashable | SmallMapFull | Deadlock | OutOfMemory | RuntimeError | Other
        );
        let known = TEXTS.iter().find(|(_, kind)| *kind == self && !varies);
        known.map(|(text, _)| *text)
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Kind::NilMapWrite => "nil map write",
            Kind::ConcurrentWrites => "concurrent map writes",
            Kind::ConcurrentReadWrite => "concurrent map read and map write",
            Kind::ConcurrentIteration => "concurrent map iteration and map write",
            Kind::ConcurrentClone => "concurrent map clone and map write",
            Kind::SmallMapFull => "small map without an empty slot",
            Kind::BadMapState => "bad map state",
            Kind::Unhashable => "unhashable key",
            Kind::NilDereference => "nil pointer dereference",
            Kind::Deadlock => "deadlock",
            Kind::StackOverflow => "stack overflow",
            Kind::OutOfMemory => "out of memory",
            Kind::RuntimeError => "run-time error",
            Kind::Panic => "panic",
            Kind::Fatal => "fatal error",
            Kind::Signal => "signal",
            Kind::Other => "not known",
        }
    }

    /// What the runtime checked, and what it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Kind::NilMapWrite => {
                "a write found no map: the variable or field was never given one. Reading, ranging, \
                 len and delete are fine on a nil map; a write is not"
            }
            Kind::ConcurrentWrites => {
                "a write found the mark that another write sets for as long as it lasts: two \
                 goroutines wrote to one map without a lock"
            }
            Kind::ConcurrentReadWrite => {
                "a read found the mark that a write sets for as long as it lasts: another goroutine \
                 wrote to the map meanwhile"
            }
            Kind::ConcurrentIteration => {
                "an iteration found the mark that a write sets for as long as it lasts: another \
                 goroutine wrote to the map meanwhile"
            }
            Kind::ConcurrentClone => {
                "maps.Clone found the mark that a write sets for as long as it lasts: another \
                 goroutine wrote to the map meanwhile"
            }
            Kind::SmallMapFull => {
                "a map of up to eight entries said that it had room, and had none: another goroutine \
                 wrote to it meanwhile"
            }
            Kind::BadMapState => {
                "an old bucket has a mark that no bucket has: two goroutines wrote to one map while \
                 it grew, or its memory was overwritten"
            }
            Kind::Unhashable => {
                "the key is an interface, or has one in it, that holds a value of a type which \
                 cannot be compared: a slice, a map, a func, or a struct or array with one in it"
            }
            Kind::NilDereference => "a nil pointer was followed",
            Kind::Deadlock => {
                "every goroutine waits for another, and none can go on: it did not die on a map"
            }
            Kind::StackOverflow => {
                "a goroutine's stack grew beyond the limit, by a function that calls itself without end \
                 as a rule: it did not die on a map"
            }
            Kind::OutOfMemory => {
                "the system gave no more memory: no operation of a map failed, though maps may be what \
                 fills it (`ls` shows the largest)"
            }
            Kind::RuntimeError => {
                "the runtime found an error in what the program did: it did not die on a map"
            }
            Kind::Panic => "the program called panic: it did not die on a map",
            Kind::Fatal => "the runtime gave up: it did not die on a map",
            Kind::Signal => "a signal ended it: it did not die on a map",
            Kind::Other => "why it died is not known",
        }
    }
}

/// Whether a sentence ends before `after`: what follows is no word of it, but what a logger adds.
fn is_end(after: &str) -> bool {
    let word = after.split_whitespace().next().unwrap_or_default();
    let goes_on = word.starts_with(|c: char| c.is_alphanumeric() || ",;:".contains(c));
    !goes_on || word == "goroutine" || word.contains('=')
}

/// What to do about a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The smallest change that mends it.
    pub fix: &'static str,
    /// What finds or prevents the next one.
    pub prevention: &'static str,
}

impl Kind {
    /// What to do about it; `None` where that is not about maps.
    pub fn advice(self) -> Option<Advice> {
        let (fix, prevention) = match self {
            Kind::NilMapWrite => (
                "make the map where its holder is made, or before the first write: \
                 if m == nil { m = make(…) }",
                "one constructor for the struct, used everywhere; a test that writes to its zero value",
            ),
            Kind::ConcurrentWrites
            | Kind::ConcurrentReadWrite
            | Kind::ConcurrentIteration
            | Kind::ConcurrentClone
            | Kind::SmallMapFull
            | Kind::BadMapState => (
                "hold one mutex for every operation on the map, reads and ranges too (a RWMutex lets \
                 readers share it)",
                "go test -race with a test that runs both goroutines; sync.Map where keys are written \
                 once and read often; shards, each with its own mutex, where writers are many",
            ),
            Kind::Unhashable => (
                "use a key type without interfaces, or make a string or array of the value first",
                "a concrete key type: the compiler refuses a key that cannot be compared, but not an \
                 interface that holds one",
            ),
            Kind::NilDereference => (
                "ask whether the key is there: v, ok := m[k]",
                "elems that are no pointers, or a lookup function that returns an error",
            ),
            Kind::Deadlock
            | Kind::StackOverflow
            | Kind::OutOfMemory
            | Kind::RuntimeError
            | Kind::Panic
            | Kind::Fatal
            | Kind::Signal
            | Kind::Other => return None,
        };
        Some(Advice { fix, prevention })
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn messages_are_told_apart() {
        let cases = [
            ("assignment to entry in nil map", Kind::NilMapWrite),
            ("concurrent map writes", Kind::ConcurrentWrites),
            ("small map with no empty slot (concurrent map writes?)", Kind::SmallMapFull),
            ("runtime error: hash of unhashable type []int", Kind::Unhashable),
            ("hash of unhashable type: []int", Kind::Unhashable),
            ("all goroutines are asleep - deadlock!", Kind::Deadlock),
            ("runtime error: index out of range [5] with length 3", Kind::RuntimeError),
            ("of something else", Kind::Other),
            ("assignment to entry in nil map [recovered, repanicked]", Kind::NilMapWrite),
            ("handler: assignment to entry in nil map\" path=/x", Kind::NilMapWrite),
            ("assignment to entry in nil map goroutine 1 [running]:", Kind::NilMapWrite),
            ("assignment to entry in nil map path=/x", Kind::NilMapWrite),
            ("assignment to entry in nil map, says the user", Kind::Other),
            ("concurrent map writes are what we fear", Kind::Other),
        ];
        for (message, kind) in cases {
            assert_eq!(Kind::of(message), kind, "{message}");
        }
    }
}
