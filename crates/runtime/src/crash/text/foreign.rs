//! Logs of programs that are none of Go's.

/// Words that other languages die with: those that Go programs write too are not among them.
pub(super) const WORDS: [(&str, &str); 18] = [
    ("Exception in thread \"", "Java"),
    ("\tat java.", "Java"),
    (".java:", "Java"),
    ("Caused by: java.", "Java"),
    ("Traceback (most recent call last)", "Python"),
    (".py\", line ", "Python"),
    ("' panicked at ", "Rust"),
    ("note: run with `RUST_BACKTRACE=1`", "Rust"),
    ("UnhandledPromiseRejection", "Node.js"),
    ("    at Object.<anonymous> (", "Node.js"),
    ("node:internal/", "Node.js"),
    (".js:", "Node.js"),
    ("Unhandled exception. System.", ".NET"),
    (".cs:line ", ".NET"),
    (".rb:", "Ruby"),
    ("PHP Fatal error:", "PHP"),
    ("ERROR: AddressSanitizer", "C or C++"),
    ("terminate called after throwing", "C++"),
];

/// A program of another language that died in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The language.
    pub language: &'static str,
    /// The number of the first line that tells of it.
    pub line: u64,
    /// How many lines tell of it.
    pub lines: u64,
}

/// Counts what is met.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Vec<Foreign>);

impl Tally {
    /// Word `index` was met in line `line`.
    pub(super) fn met(&mut self, index: usize, line: u64) {
        let Some((_, language)) = WORDS.get(index) else { return };
        match self.0.iter_mut().find(|foreign| foreign.language == *language) {
            Some(foreign) => foreign.lines += 1,
            None => self.0.push(Foreign { language, line, lines: 1 }),
        }
    }

    /// The language that most lines tell of.
    pub(super) fn most(&self) -> Option<Foreign> {
        self.0.iter().copied().max_by_key(|foreign| foreign.lines)
    }
}
