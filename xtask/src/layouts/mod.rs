//! The tables of `layouts/`: what the DWARF of real builds says of the runtime's structures.

mod builds;
mod gather;
mod recipes;
mod write;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::fixtures::checkout;
use crate::pins::{PINS, Pin};

/// Makes the table of every release that `only` names.
pub(crate) fn all(only: &str) -> Result<()> {
    let wanted: Vec<&'static Pin> = PINS.iter().filter(|pin| pin.is(only)).collect();
    if wanted.is_empty() {
        bail!("no pinned release {only}");
    }
    let home = checkout().join("layouts");
    fs::create_dir_all(&home)?;
    for pin in wanted {
        let text = table(pin).with_context(|| format!("the table of {}", pin.version))?;
        let file = home.join(format!("go{}.txt", pin.minor()));
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(())
}

/// Sets of experiments whose layouts are the same share one part of the table.
fn table(pin: &'static Pin) -> Result<String> {
    let mut parts: Vec<(Vec<&str>, String)> = Vec::new();
    for experiment in builds::experiments(pin) {
        let files = builds::make(pin, experiment)?;
        let facts = gather::facts(&files).with_context(|| format!("experiment {experiment:?}"))?;
        let body = write::body(&facts);
        match parts.iter_mut().find(|(_, known)| *known == body) {
            Some((experiments, _)) => experiments.push(experiment),
            None => parts.push((vec![experiment], body)),
        }
    }
    Ok(write::table(pin.version, &parts))
}
