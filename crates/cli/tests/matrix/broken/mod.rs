//! Maps that are broken on purpose, in a real process: `verify` names the rule and the place of
//! each, and says nothing of any other map.

mod classic;
mod plant;
mod swiss;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use mapscope_binary::Elf;
use mapscope_runtime::{Go, Image};
use mapscope_target::{Live, Progress};
use serde_json::Value;

use crate::agree;
use crate::zoo::{Variant, Zoo};
use plant::{Plant, RACING, Victim};

/// The maps that are broken: one with pointers in its keys, one without any, and one that, where
/// maps are classic, is growing.
const VICTIMS: [&str; 3] = ["main.named[51]", "main.inserted[63]", "main.inserted[62]"];

/// Breaks maps of one variant in every way there is.
pub(crate) fn broken(variant: &Variant) -> Result<(), Failed> {
    let zoo = Zoo::waiting(variant);
    let plants = plants(&zoo, variant)?;
    let pid = zoo.pid().to_string();
    let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/mem"))?;
    clean(&pid)?;
    let mut wrong = Vec::new();
    for plant in &plants {
        let mut before = Vec::new();
        for (at, bytes) in &plant.writes {
            let mut old = vec![0; bytes.len()];
            memory.read_exact_at(&mut old, at.0)?;
            memory.write_all_at(bytes, at.0)?;
            before.push((at.0, old));
        }
        if let Err(why) = check(&pid, plant) {
            wrong.push(format!("{}: {why}", plant.name));
        }
        for (at, old) in before.iter().rev() {
            memory.write_all_at(old, *at)?;
        }
    }
    clean(&pid)?;
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("{} of {}:\n{}", wrong.len(), plants.len(), wrong.join("\n")).into()),
    }
}

/// What is to be written where, computed before anything is broken.
fn plants(zoo: &Zoo, variant: &Variant) -> Result<Vec<Plant>, Failed> {
    let bytes = std::fs::read(variant.zoo())?;
    let elf = Elf::parse(&bytes)?;
    let (image, progress) = (Image::parse(&elf)?, Progress::default());
    let live = Live::open(zoo.pid())?;
    let go = Go::open(&image, &live, &progress)?;
    let mut plants = Vec::new();
    for path in VICTIMS {
        let victim = Victim::of(&go, path)?;
        let made = match go.shape.has_chains() {
            true => classic::plants(&go, &victim),
            false => swiss::plants(&go, &victim),
        };
        plants.extend(made?);
    }
    Ok(plants)
}

fn verify(pid: &str) -> Result<(Option<i32>, Value), Failed> {
    let output = Command::new("timeout")
        .args(["60", env!("CARGO_BIN_EXE_mapscope"), "verify", pid, "--format", "json"])
        .stdin(Stdio::null())
        .output()?;
    let said = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code(), said))
}

/// Nothing is wrong with the process.
fn clean(pid: &str) -> Result<(), Failed> {
    match verify(pid)? {
        (Some(0), said) if agree::array(&said, "violations").is_empty() => Ok(()),
        (code, said) => Err(format!("not clean, exit code {code:?}: {said:#}").into()),
    }
}

/// What is broken is found, and nothing else.
fn check(pid: &str, plant: &Plant) -> Result<(), String> {
    let (code, said) = verify(pid).map_err(|why| why.message().unwrap_or("").to_owned())?;
    let found = agree::array(&said, "violations");
    if plant.rule == RACING {
        let racing = found.is_empty() && code == Some(0) && said["verified"]["racing"] == 1;
        return if racing { Ok(()) } else { Err(format!("racing, not {code:?}: {said:#}")) };
    }
    let fits = |row: &Value| {
        agree::text(row, "rule") == plant.rule
            && agree::text(row, "map") == plant.map.to_string()
            && agree::text(row, "place").contains(&plant.place)
    };
    let alone = found.len() == 1 || plant.several && !found.is_empty();
    let right = alone && found.iter().all(fits);
    match right && code == Some(1) {
        true => Ok(()),
        false => {
            let (rule, place) = (plant.rule, &plant.place);
            Err(format!("{rule} at {place} of {}, exit 1; not {code:?}: {found:#?}", plant.map))
        }
    }
}
