//! The recordings of deaths that are committed: what `autopsy` reads of the cores of `fixtures/deaths`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cores;
use crate::fixtures::checkout;
use crate::pins::{self, Pin};
use crate::place::Place;
use crate::process::quiet;
use crate::recordings::{cargo, pack, sizes};
use crate::toolchains::build_static;

/// Where they are made: a recording names its executable.
const PLACE: &str = "/var/tmp/mapscope-deaths";

/// How large all of them may be together, in bytes: few, but telling.
const LIMIT: u64 = 3_600_000;

/// The way to die for which another process has to do something.
const RACE: &str = "race";

/// A way to build the program, and the ways in which it dies then.
struct Build {
    /// By the newest release, with Swiss maps, or the oldest, with classic ones.
    newest: bool,
    ldflags: &'static str,
    /// What that adds to a name.
    suffix: &'static str,
    ways: [&'static str; 2],
}

const PLAIN: &str = "-compressdwarf=false";
const STRIPPED: &str = "-s -w";

/// Each way to die once on either kind of maps, and once with DWARF and once without.
const BUILDS: [Build; 4] = [
    build(false, PLAIN, "", ["nil-field", "missing-element"]),
    build(false, STRIPPED, "-s", [RACE, "unhashable"]),
    build(true, PLAIN, "", [RACE, "unhashable"]),
    build(true, STRIPPED, "-s", ["nil-field", "missing-element"]),
];

const fn build(
    newest: bool,
    ldflags: &'static str,
    suffix: &'static str,
    ways: [&'static str; 2],
) -> Build {
    Build { newest, ldflags, suffix, ways }
}

/// Records every death of the releases `only` names anew.
pub(crate) fn all(only: &str) -> Result<()> {
    let of = |build: &'static Build| {
        let pin = if build.newest { pins::newest() } else { pins::oldest() };
        pin.is(only).then_some((pin, build))
    };
    let builds: Vec<_> = BUILDS.iter().filter_map(of).collect();
    if builds.is_empty() {
        return Ok(());
    }
    cores::are_files()?;
    quiet(cargo().args(["build", "--package", "mapscope"]))?;
    let home = checkout().join("recordings/deaths");
    if only.is_empty() && home.exists() {
        // What was the newest release before is none of them any more.
        fs::remove_dir_all(&home)?;
    }
    fs::create_dir_all(&home)?;
    for (pin, build) in builds {
        let name = format!("{}{}", pin.version, build.suffix);
        record(pin, build, &name, &home).with_context(|| name.clone())?;
    }
    let total = sizes(&home)?;
    println!("{}: {total} bytes", home.display());
    match total > LIMIT {
        true => bail!("the recordings of deaths are larger than {LIMIT} bytes"),
        false => Ok(()),
    }
}

/// Builds the program, and records its deaths: `1.19.8-s-race.rec`.
fn record(pin: &Pin, build: &Build, name: &str, home: &Path) -> Result<()> {
    let place = Place::make(&Path::new(PLACE).join(name))?;
    let exe = place.0.join("deaths");
    build_static(pin, &checkout().join("fixtures/deaths"), build.ldflags, &exe)?;
    for way in build.ways {
        let core = die(&exe, way)?;
        let raw = place.0.join("raw");
        let status = mapscope(&["autopsy", "--record"]).arg(&raw).arg(&core).status()?;
        // 1 says that there was a death to explain, 3 that not all of it could be told.
        if !matches!(status.code(), Some(1 | 3)) {
            bail!("autopsy of {way} ends with {status}");
        }
        let name = format!("{name}-{way}.rec");
        println!("{name}: {} bytes", pack(&raw, &home.join(&name))?);
        fs::remove_file(&core)?;
    }
    Ok(())
}

fn mapscope(words: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "mapscope", "--bin", "mapscope", "--"]);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Lets the program die in that way, and answers with its core.
fn die(exe: &Path, way: &str) -> Result<PathBuf> {
    let mut dying = Dying::start(exe, way)?;
    if way == RACE {
        dying.kill_map()?;
    }
    let status = dying.0.wait()?;
    if status.success() {
        bail!("{way}: it ends with {status}");
    }
    cores::of(home(exe)?).with_context(|| format!("{way}: it ends with {status}"))
}

/// Where the program lies, and runs.
fn home(exe: &Path) -> Result<&Path> {
    exe.parent().context("the program lies in no directory")
}

/// A program that is about to die. Dropped, it is killed.
struct Dying(Child);

impl Dying {
    /// In an empty environment but for what `fixtures/deaths` asks for; its stack would hold the rest too.
    fn start(exe: &Path, way: &str) -> Result<Dying> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -c unlimited && exec ./deaths"]).env_clear();
        command.current_dir(home(exe)?);
        command.envs([("DEATH", way), ("GOTRACEBACK", "crash"), ("GOGC", "off")]);
        command.envs([("GODEBUG", "asyncpreemptoff=1"), ("GOMAXPROCS", "2")]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(Dying(command.spawn().context("cannot start the program")?))
    }

    /// Sets the write mark of the map whose address it tells, and has it use the map.
    fn kill_map(&mut self) -> Result<()> {
        let mut said = BufReader::new(self.0.stderr.as_mut().context("no pipe")?);
        let mut map = String::new();
        said.read_line(&mut map)?;
        let pid = self.0.id().to_string();
        quiet(&mut mapscope(&["inject", &pid, map.trim(), "--i-know-this-kills"]))?;
        self.0.stdin.as_mut().context("no pipe")?.write_all(b"x")?;
        Ok(())
    }
}

impl Drop for Dying {
    fn drop(&mut self) {
        // It has died, as a rule.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
