//! Every path that `ls` prints is taken as the name of its map.

use std::cell::OnceCell;
use std::path::Path;

use libtest_mimic::Failed;
use mapscope_binary::Elf;
use mapscope_runtime::expr::NameError;
use mapscope_runtime::find::{self, choose};
use mapscope_runtime::{Go, Image, splice};
use mapscope_target::{Core, Live, MemoryExt, Progress, Target as Memory};
use serde_json::Value;

use crate::Scratch;
use crate::agree::{array, text};
use crate::run::{Target, agreed, listed};
use crate::zoo::{self, Variant, Zoo};

/// The paths of a program that waits, of one that keeps its maps as programs do, and of a core.
pub(crate) fn paths(variant: &Variant) -> Result<(), Failed> {
    let waiting = Zoo::waiting(variant);
    of_process(&waiting, &variant.zoo())?;
    if let Some(exe) = variant.holders() {
        of_process(&Zoo::holders(&exe), &exe)?;
    }
    match zoo::no_kernel_core() {
        None => of_core(variant),
        Some(_) => Ok(()),
    }
}

fn of_process(zoo: &Zoo, exe: &Path) -> Result<(), Failed> {
    let listed = listed(&Target::live(&zoo.pid().to_string(), "stop").with_holes())?;
    judge(&listed, &Live::open(zoo.pid())?, exe)
}

fn of_core(variant: &Variant) -> Result<(), Failed> {
    let dir = Scratch::new(variant, "paths");
    let (_, path) = zoo::crashed(variant, &dir.0);
    let mut core = Core::open(&path, &Progress::default())?;
    let exe = variant.zoo().canonicalize()?;
    let bytes = std::fs::read(&exe)?;
    splice(&mut core, &Elf::parse(&bytes)?, &|| Box::new(bytes.clone()));
    judge(&listed(&Target::core(&path, variant).with_holes())?, &core, &exe)
}

fn judge(listed: &Value, target: &dyn Memory, exe: &Path) -> Result<(), Failed> {
    let bytes = std::fs::read(exe)?;
    let elf = Elf::parse(&bytes)?;
    let (image, progress) = (Image::parse(&elf)?, Progress::default());
    let go = Go::open(&image, target, &progress)?;
    let listing = OnceCell::from(find::all(&go));
    let rows = array(listed, "maps");
    let paths = rows.iter().filter(|row| !row["path"].is_null());
    let mut wrong: Vec<String> =
        paths.clone().filter_map(|row| refused(&go, row, &listing)).collect();
    if go.image.debug.is_some() {
        wrong.extend(paths.filter_map(|row| unfollowed(&go, row)));
    }
    agreed(&wrong, &format!("the paths of {}", exe.display()))
}

/// Why the path of a row does not name its map. Where it is the path of several, that is said, and the
/// map is one of them.
fn refused(go: &Go<'_>, row: &Value, listing: &OnceCell<find::Findings>) -> Option<String> {
    let (path, addr) = (text(row, "path"), text(row, "addr"));
    match choose(go, path, listing) {
        Ok(choice) if choice.addr.to_string() == addr => None,
        Ok(choice) => Some(format!("{path} of {addr} leads to {}", choice.addr)),
        Err(NameError::Several { maps, .. }) if maps.iter().any(|map| map.to_string() == addr) => {
            None
        }
        Err(error) => Some(format!("{path} of {addr}: {error}")),
    }
}

/// Why the path of a row cannot be followed, if it is one that leads on from a variable: no list of all
/// maps is needed then, and what holds the map is known.
fn unfollowed(go: &Go<'_>, row: &Value) -> Option<String> {
    let path = text(row, "path");
    let places = ["frame+", "object ", "data+", "bss+", " +0x", "…"];
    let place = path.starts_with(['*', '[']) || places.iter().any(|place| path.contains(place));
    if place || text(row, "found_by") != "walk" {
        return None;
    }
    match (go.map_named(path), go.map_variable(path)) {
        (Err(NameError::Several { .. }), _) => None,
        (Err(error), _) => Some(format!("{path} is not followed: {error}")),
        (Ok(map), Ok(holder)) => {
            let held = go.memory().addr(holder.addr);
            (held != Ok(map.addr)).then(|| format!("{path}: {} holds {held:?}", holder.addr))
        }
        // A sync.Map, or in registers: nothing holds a pointer to it.
        (Ok(_), Err(_)) => None,
    }
}
