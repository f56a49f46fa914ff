//! The builds that a table is made from.

use std::path::PathBuf;

use anyhow::Result;

use crate::cache;
use crate::fixtures::{compile, source_hash};
use crate::pins::Pin;
use crate::variants::{Mode, Strip, Variant};

/// The experiments of a release that a table has the layouts of, the default first.
pub(super) fn experiments(pin: &Pin) -> impl Iterator<Item = &'static str> {
    let maps = pin.maps.iter().map(|(experiment, _)| *experiment);
    std::iter::once("").chain(maps).chain(pin.layouts.iter().copied())
}

/// One way to build.
struct Way {
    program: &'static str,
    mode: Mode,
    more: &'static [(&'static str, &'static str)],
    name: &'static str,
}

/// The zoo, which has every structure, in each way that programs are linked; a program that has
/// nothing that not all have; and code for a newer processor.
const WAYS: [Way; 5] = [
    Way { program: "zoo", mode: Mode::Exe, more: &[], name: "exe" },
    Way { program: "zoo", mode: Mode::Pie, more: &[], name: "pie" },
    Way { program: "zoo", mode: Mode::Cgo, more: &[], name: "cgo" },
    Way { program: "bare", mode: Mode::Exe, more: &[], name: "bare" },
    Way { program: "zoo", mode: Mode::Exe, more: &[("GOAMD64", "v3")], name: "v3" },
];

/// Builds all of them; an executable of the zoo comes first.
pub(super) fn make(pin: &'static Pin, experiment: &'static str) -> Result<Vec<PathBuf>> {
    let home = cache::root()?.join("layouts").join(source_hash()?);
    WAYS.iter()
        .map(|way| {
            let variant = Variant { pin, experiment, mode: way.mode };
            let dir = home.join(format!("{}-{experiment}-{}", pin.version, way.name));
            std::fs::create_dir_all(&home)?;
            cache::once(&dir, |draft| {
                eprintln!("building {} {experiment} {}", pin.version, way.name);
                compile(&variant, way.program, Strip::Nothing, draft, way.more)
            })?;
            Ok(dir.join(way.program))
        })
        .collect()
}
