//! What the fixtures are built as: release × experiment × mode, pruned to pairs.

use crate::pins::{PINS, Pin};

/// How a program is linked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A static executable at a fixed address.
    Exe,
    /// A position-independent executable.
    Pie,
    /// With C in it: linked by the system's linker against the shared C library.
    Cgo,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Exe => "exe",
            Mode::Pie => "pie",
            Mode::Cgo => "cgo",
        }
    }
}

/// What the linker leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strip {
    /// Nothing.
    Nothing,
    /// DWARF: `-ldflags=-w`.
    Debug,
    /// The symbol table too: `-ldflags=-s -w`.
    Symbols,
}

impl Strip {
    /// What is added to the name of a program.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Strip::Nothing => "",
            Strip::Debug => "-w",
            Strip::Symbols => "-s",
        }
    }

    /// The flags of the linker.
    pub(crate) fn flags(self) -> &'static str {
        match self {
            Strip::Nothing => "",
            Strip::Debug => "-w",
            Strip::Symbols => "-s -w",
        }
    }
}

/// One way to build every fixture.
pub(crate) struct Variant {
    pub(crate) pin: &'static Pin,
    /// The value of `GOEXPERIMENT`, empty for the release's defaults.
    pub(crate) experiment: &'static str,
    pub(crate) mode: Mode,
}

impl Variant {
    /// `1.24.11-noswissmap-exe`: also the name of its directory.
    pub(crate) fn name(&self) -> String {
        let experiment = match self.experiment {
            "" => String::new(),
            experiment => format!("-{experiment}"),
        };
        format!("{}{experiment}-{}", self.pin.version, self.mode.name())
    }
}

impl Variant {
    /// Whether it is an executable with the release's own experiments.
    pub(crate) fn is_plain(&self) -> bool {
        self.mode == Mode::Exe && self.experiment.is_empty()
    }

    /// How its zoo is linked besides: every executable stripped of all, those of default experiments
    /// of DWARF alone, and some of the other modes.
    pub(crate) fn strips(&self) -> &'static [Strip] {
        match (self.mode, self.experiment) {
            (Mode::Exe, "") => &[Strip::Debug, Strip::Symbols],
            (Mode::Exe, _) => &[Strip::Symbols],
            (mode, "") if self.pin.stripped.contains(&mode) => &[Strip::Symbols],
            _ => &[],
        }
    }
}

/// Every release as each mode with its default experiments, every experiment that changes maps
/// as an executable, and each such experiment once in another mode.
pub(crate) fn all() -> Vec<Variant> {
    let mut variants = Vec::new();
    for pin in &PINS {
        for mode in [Mode::Exe, Mode::Pie, Mode::Cgo] {
            for experiment in experiments(pin, mode) {
                variants.push(Variant { pin, experiment, mode });
            }
        }
    }
    variants
}

/// With which experiments a release is linked in this way, the default first.
fn experiments(pin: &Pin, mode: Mode) -> impl Iterator<Item = &'static str> {
    let linked = pin.maps.iter().filter(move |(_, also)| [Mode::Exe, *also].contains(&mode));
    std::iter::once("").chain(linked.map(|(experiment, _)| *experiment))
}
