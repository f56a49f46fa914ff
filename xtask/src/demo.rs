//! The sample of `mapscope demo`: a small executable, and the core that the kernel wrote of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cores;
use crate::fixtures::checkout;
use crate::pins::{PINS, Pin};
use crate::place::Place;
use crate::process::{exists, quiet};
use crate::toolchains::build_static;

/// The release that the sample is built with.
const RELEASE: &str = "1.26.6";

/// Where the program runs: the core names its executable, and is to name no place of this machine.
const PLACE: &str = "/var/tmp/mapscope-demo";

/// How large both files may be together: they are part of every clone.
const LIMIT: u64 = 2_000_000;

/// Builds `fixtures/demo`, lets it crash, and keeps executable and core in `samples/demo`.
pub(crate) fn sample() -> Result<()> {
    if !exists("zstd", "--version") {
        bail!("zstd is missing (Debian: apt-get install zstd)");
    }
    cores::are_files()?;
    let place = Place::make(Path::new(PLACE))?;
    let exe = place.0.join("sessiond");
    build(&exe)?;
    let core = crash(&place.0, &exe)?;
    let samples = checkout().join("samples/demo");
    fs::create_dir_all(&samples)?;
    let size = pack(&exe, &samples.join("exe.zst"))? + pack(&core, &samples.join("core.zst"))?;
    println!("{}: {size} bytes", samples.display());
    if size > LIMIT {
        bail!("the sample is larger than {LIMIT} bytes");
    }
    Ok(())
}

/// The DWARF is left uncompressed: zstd packs it tighter than the zlib of the linker.
fn build(exe: &Path) -> Result<()> {
    let pin: &Pin = PINS
        .iter()
        .find(|pin| pin.version == RELEASE)
        .with_context(|| format!("Go {RELEASE} is not pinned"))?;
    build_static(pin, &checkout().join("fixtures/demo"), "-compressdwarf=false", exe)
}

/// Runs the program in an empty environment, which the core would hold too.
fn crash(place: &Path, exe: &Path) -> Result<PathBuf> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -c unlimited && exec \"$0\""]).arg(exe);
    command.env_clear().env("GOTRACEBACK", "crash").current_dir(place);
    let output = command.stdin(Stdio::null()).output().context("cannot start the program")?;
    if !output.status.core_dumped() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("the program left no core ({}):\n{said}", output.status);
    }
    cores::of(place)
}

fn pack(file: &Path, to: &Path) -> Result<u64> {
    quiet(Command::new("zstd").args(["-q", "-19", "-f"]).arg(file).arg("-o").arg(to))?;
    // zstd hands on the mode of what it packed; the kernel's cores are the owner's alone.
    fs::set_permissions(to, fs::Permissions::from_mode(0o644))?;
    Ok(fs::metadata(to)?.len())
}
