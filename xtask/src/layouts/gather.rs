//! What builds say of the runtime.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use mapscope_binary::{Elf, FileVa};
use mapscope_runtime::Image;
use mapscope_runtime::evidence::table::Recipe;
use mapscope_runtime::evidence::{
    CONSTANTS, DwarfSource, Place, SIZE_CLASSES, Source, VARIABLES, asked,
};

use super::recipes;

/// Size, and members in the order of their offsets.
type Struct = (u64, Vec<(&'static str, Place)>);

/// What a table says, in the order it is written.
#[derive(Default, PartialEq)]
pub(super) struct Facts {
    pub(super) structs: BTreeMap<&'static str, Struct>,
    pub(super) constants: BTreeMap<&'static str, i64>,
    pub(super) classes: Vec<u16>,
    pub(super) reasons: Vec<String>,
    pub(super) variables: BTreeMap<&'static str, (u64, Vec<Recipe>)>,
}

/// What the executables `files`, which differ only in how they were built, agree on.
///
/// # Errors
///
/// They do not agree, or one has no DWARF.
pub(super) fn facts(files: &[PathBuf]) -> Result<Facts> {
    let bytes = files.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    let elves = bytes.iter().map(|b| Ok(Elf::parse(b)?)).collect::<Result<Vec<_>>>()?;
    let images = elves.iter().map(|e| Ok(Image::parse(e)?)).collect::<Result<Vec<_>>>()?;
    let first = images.first().context("no builds")?;
    let mut facts = of(first)?;
    for (image, file) in images.iter().zip(files) {
        agrees(&facts, &of(image)?).with_context(|| file.display().to_string())?;
    }
    facts.classes = classes(first)?;
    facts.reasons = reasons(first)?;
    for name in VARIABLES {
        if let Some(variable) = first.variable(name) {
            facts.variables.insert(name, (variable.size, recipes::of(name, &images)));
        }
    }
    Ok(facts)
}

fn of(image: &Image<'_>) -> Result<Facts> {
    let debug = image.debug.as_ref().context("no DWARF")?;
    let source = DwarfSource(debug);
    let mut facts = Facts::default();
    for (name, paths) in asked().flat_map(|a| a.names.iter().map(move |name| (*name, a.paths))) {
        let Some(size) = source.size(name) else { continue };
        let members = &mut facts.structs.entry(name).or_insert((size, Vec::new())).1;
        members.extend(paths.iter().filter_map(|path| Some((*path, source.place(name, path)?))));
    }
    for (_, members) in facts.structs.values_mut() {
        members.sort_by_key(|(path, place)| (place.offset, *path));
        members.dedup();
    }
    let constants = CONSTANTS.iter().filter_map(|name| Some((*name, source.constant(name)?)));
    facts.constants = constants.collect();
    Ok(facts)
}

/// Smaller programs lack structures; what they have must be the same.
fn agrees(all: &Facts, other: &Facts) -> Result<()> {
    for (name, layout) in &other.structs {
        if all.structs.get(name) != Some(layout) {
            bail!("{name} differs: {layout:?}, {:?}", all.structs.get(name));
        }
    }
    for (name, value) in &other.constants {
        if all.constants.get(name).is_some_and(|known| known != value) {
            bail!("{name} differs: {value}");
        }
    }
    Ok(())
}

fn classes(image: &Image<'_>) -> Result<Vec<u16>> {
    let found = SIZE_CLASSES.iter().find_map(|name| image.variable(name));
    let table = found.context("no table of size classes")?;
    let bytes = image.elf.bytes_at(table.at, table.size).context("its bytes")?;
    Ok(bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect())
}

fn reasons(image: &Image<'_>) -> Result<Vec<String>> {
    let name = "runtime.waitReasonStrings";
    let table = image.variable(name).context(name)?;
    let bytes = image.elf.bytes_at(table.at, table.size).context(name)?;
    let text = |header: &[u8; 16]| {
        let word = |at: usize| {
            header.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
        };
        match word(8) {
            0 => Some(String::new()),
            len => {
                let bytes = image.elf.bytes_at(FileVa(word(0)), len)?;
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
        }
    };
    bytes.as_chunks::<16>().0.iter().map(text).collect::<Option<_>>().context("its strings")
}
