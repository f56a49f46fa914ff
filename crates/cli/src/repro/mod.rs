//! Small Go programs that each end, or go wrong, in one way that has to do with maps.

mod run;

pub(crate) use run::{Ending, Go};

/// A program.
pub(crate) struct Recipe {
    /// Its name on the command line.
    pub(crate) kind: &'static str,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// Its source.
    pub(crate) source: &'static str,
    /// The release whose language it needs, for `go.mod`.
    pub(crate) language: &'static str,
    /// What it ends with.
    pub(crate) expected: &'static [Expected],
    /// Another end is possible, without a word or of what a race has broken.
    pub(crate) races: bool,
}

/// How a program ends with some releases.
pub(crate) struct Expected {
    /// The releases, in words.
    pub(crate) releases: &'static str,
    /// What it writes.
    pub(crate) text: &'static str,
    /// Its exit code.
    pub(crate) exit: u8,
}

const ALL: &str = "1.19 to 1.27";
const SINCE_CLEAR: &str = "1.21 to 1.27";

const fn ends(releases: &'static str, text: &'static str) -> Expected {
    Expected { releases, text, exit: 2 }
}

const fn tells(releases: &'static str, text: &'static str) -> Expected {
    Expected { releases, text, exit: 0 }
}

const WRITES: &str = "fatal error: concurrent map writes";
const READ: &str = "fatal error: concurrent map read and map write";
const CLONE: &str = "fatal error: concurrent map clone and map write";
const ITERATION: &str = "fatal error: concurrent map iteration and map write";

macro_rules! recipe {
    ($kind:literal, $about:literal, $language:literal, $races:literal, $expected:expr) => {
        Recipe {
            kind: $kind,
            about: $about,
            source: include_str!(concat!("../../repro/", $kind, "/main.go")),
            language: $language,
            expected: $expected,
            races: $races,
        }
    };
}

/// All of them.
pub(crate) const RECIPES: &[Recipe] = &[
    recipe!(
        "nil-write",
        "a write to a nil map, a field that no constructor set",
        "1.19",
        false,
        &[ends(ALL, "panic: assignment to entry in nil map"),]
    ),
    recipe!(
        "race-write-write",
        "two goroutines write to one map",
        "1.19",
        true,
        &[ends(ALL, WRITES),]
    ),
    recipe!(
        "race-write-read",
        "one goroutine writes, another reads",
        "1.19",
        true,
        &[ends(ALL, READ),]
    ),
    recipe!(
        "race-write-iterate",
        "one goroutine writes, another ranges",
        "1.19",
        true,
        &[ends(ALL, ITERATION),]
    ),
    recipe!(
        "race-write-delete",
        "one goroutine writes, another deletes",
        "1.19",
        true,
        &[ends(ALL, WRITES),]
    ),
    recipe!(
        "race-write-clear",
        "one goroutine writes, another clears",
        "1.21",
        true,
        &[ends(SINCE_CLEAR, WRITES),]
    ),
    recipe!(
        "race-write-clone",
        "one goroutine writes, another clones",
        "1.21",
        true,
        &[ends("1.21 to 1.23, and 1.25 to 1.27", CLONE), ends("1.24", ITERATION),]
    ),
    recipe!(
        "race-delete-delete",
        "two goroutines delete from one map",
        "1.19",
        true,
        &[ends(ALL, WRITES),]
    ),
    recipe!(
        "race-delete-clear",
        "one goroutine deletes, another clears",
        "1.21",
        true,
        &[ends(SINCE_CLEAR, WRITES),]
    ),
    recipe!(
        "race-clear-clear",
        "two goroutines clear one map",
        "1.21",
        true,
        &[ends(SINCE_CLEAR, WRITES),]
    ),
    recipe!(
        "race-delete-read",
        "one goroutine deletes, another reads",
        "1.19",
        true,
        &[ends(ALL, READ),]
    ),
    recipe!(
        "race-clear-read",
        "one goroutine clears, another reads",
        "1.21",
        true,
        &[ends(SINCE_CLEAR, READ),]
    ),
    recipe!(
        "race-delete-iterate",
        "one goroutine deletes, another ranges",
        "1.19",
        true,
        &[ends(ALL, ITERATION),]
    ),
    recipe!(
        "race-clear-iterate",
        "one goroutine clears, another ranges",
        "1.21",
        true,
        &[ends(SINCE_CLEAR, ITERATION),]
    ),
    recipe!(
        "race-delete-clone",
        "one goroutine deletes, another clones",
        "1.21",
        true,
        &[ends("1.21 to 1.23, and 1.25 to 1.27", CLONE), ends("1.24", ITERATION),]
    ),
    recipe!(
        "race-clear-clone",
        "one goroutine clears, another clones",
        "1.21",
        true,
        &[ends("1.21 to 1.23, and 1.25 to 1.27", CLONE), ends("1.24", ITERATION),]
    ),
    recipe!(
        "race-grow",
        "two goroutines let one map grow",
        "1.19",
        true,
        &[
            ends(ALL, WRITES),
            ends("1.19 to 1.23", "fatal error: bad map state"),
            ends(
                "1.24 to 1.26",
                "fatal error: small map with no empty slot (concurrent map writes?)"
            ),
        ]
    ),
    recipe!(
        "unhashable",
        "a key that holds a slice, which has no hash",
        "1.19",
        false,
        &[ends(ALL, "panic: runtime error: hash of unhashable type []string"),]
    ),
    recipe!(
        "missing-element",
        "a field of an elem that is not in the map",
        "1.19",
        false,
        &[ends(ALL, "panic: runtime error: invalid memory address or nil pointer dereference"),]
    ),
    recipe!(
        "leak",
        "a map that keeps its storage when all is deleted",
        "1.19",
        false,
        &[tells(ALL, "len 0, and the storage of a million entries is still there"),]
    ),
    recipe!(
        "lost-key",
        "a key that no lookup finds",
        "1.19",
        false,
        &[tells(ALL, "3 entries, and a lookup finds none"),]
    ),
];

impl Recipe {
    /// The one of this name.
    pub(crate) fn named(kind: &str) -> Option<&'static Recipe> {
        RECIPES.iter().find(|recipe| recipe.kind == kind)
    }

    /// Its `go.mod`.
    pub(crate) fn module(&self) -> String {
        format!("module repro\n\ngo {}\n", self.language)
    }
}

#[cfg(test)]
mod tests {
    use super::RECIPES;

    /// What a program's own comment says is what the list says.
    #[test]
    fn comments_say_what_is_expected() {
        for recipe in RECIPES {
            let comment: String =
                recipe.source.lines().take_while(|l| l.starts_with("//")).collect();
            for expected in recipe.expected {
                assert!(comment.contains(expected.text), "{}: {}", recipe.kind, expected.text);
                assert!(
                    comment.contains(&format!("exit code {}", expected.exit)),
                    "{}",
                    recipe.kind
                );
            }
        }
    }
}
