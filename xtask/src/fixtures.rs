//! The fixture programs, built by every pinned toolchain.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::cache;
use crate::pins;
use crate::process::{exists, quiet};
use crate::toolchains::{go_of, install};
use crate::variants::{self, Mode, Strip, Variant};

/// The programs: each a directory of `fixtures/` with a `go.mod`.
const PROGRAMS: [&str; 2] = ["zoo", "hashes"];

/// What dies in many ways: of every release an executable, with DWARF and stripped.
const CRASHES: &str = "crashes";

/// What has the maps that programs rarely have: of every build of an executable, with DWARF and stripped.
const ODD: &str = "odd";

/// What keeps its maps as programs do: of every build of an executable, with DWARF and stripped.
const HOLDERS: &str = "holders";

/// Builds every variant of the releases `only` names, and answers with their directory.
///
/// The directory is named for the sources it was built from, and `target/fixtures` leads to it.
pub(crate) fn all(only: &str) -> Result<PathBuf> {
    if !exists("gcc", "--version") {
        bail!("gcc is missing: the cgo fixtures need it (Debian: apt-get install gcc libc6-dev)");
    }
    let wanted: Vec<Variant> =
        variants::all().into_iter().filter(|variant| variant.pin.is(only)).collect();
    if wanted.is_empty() {
        bail!("no pinned release {only}");
    }
    for variant in &wanted {
        install(variant.pin).with_context(|| format!("toolchain {}", variant.pin.version))?;
    }
    let home = cache::root()?.join("fixtures").join(source_hash()?);
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    build_all(&wanted, &home)?;
    foreign(&home)?;
    link(&home)?;
    println!("{}", home.display());
    Ok(home)
}

/// Two builds at a time: the linker runs on one core.
fn build_all(wanted: &[Variant], home: &Path) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let work = || {
        while let Some(variant) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = build(variant, home) {
                let text = format!("{}: {error:#}", variant.name());
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !failed.is_empty() {
        bail!("{} fixtures were not built:\n{}", failed.len(), failed.join("\n"));
    }
    Ok(())
}

fn build(variant: &Variant, home: &Path) -> Result<()> {
    cache::once(&home.join(variant.name()), |draft| {
        eprintln!("building {}", variant.name());
        for program in PROGRAMS {
            compile(variant, program, Strip::Nothing, draft, &[])?;
        }
        variant
            .strips()
            .iter()
            .try_for_each(|strip| compile(variant, "zoo", *strip, draft, &[]))?;
        let crashing = if variant.is_plain() { &[Strip::Nothing, Strip::Symbols][..] } else { &[] };
        crashing.iter().try_for_each(|strip| compile(variant, CRASHES, *strip, draft, &[]))?;
        if variant.is_plain() {
            compile_test(variant, CRASHES, draft)?;
        }
        let exe = variant.mode == Mode::Exe;
        let strips = if exe { &[Strip::Nothing, Strip::Symbols][..] } else { &[] };
        strips.iter().try_for_each(|strip| {
            compile(variant, ODD, *strip, draft, &[])?;
            compile(variant, HOLDERS, *strip, draft, &[])
        })
    })
}

/// Builds the tests of `program` into the directory `out`, as `go test -c` does: `crashes-test`.
fn compile_test(variant: &Variant, program: &str, out: &Path) -> Result<()> {
    let name = format!("{program}-test");
    go_builds(variant, program, &["test", "-c"], &name, Strip::Nothing, out, &[])
}

/// Builds `program` into the directory `out`, with more settings in the environment. What is
/// stripped of symbols is called `zoo-s` there.
pub(crate) fn compile(
    variant: &Variant,
    program: &str,
    strip: Strip,
    out: &Path,
    more: &[(&str, &str)],
) -> Result<()> {
    let name = format!("{program}{}", strip.suffix());
    go_builds(variant, program, &["build"], &name, strip, out, more)
}

/// Has Go build what lies in `fixtures/` under that name, into the file `name` of the directory `out`.
fn go_builds(
    variant: &Variant,
    program: &str,
    verb: &[&str],
    name: &str,
    strip: Strip,
    out: &Path,
    more: &[(&str, &str)],
) -> Result<()> {
    let sources = source_dir().join(program);
    let language = out.join(format!("{program}.mod"));
    // The release's own language version, with the behaviour (GODEBUG defaults) it implies.
    let module = format!("module {program}\n\ngo {}\n", variant.pin.minor());
    fs::write(&language, module)?;
    let mut go = go_of(variant.pin)?;
    go.current_dir(&sources).args(verb).arg("-trimpath").arg("-buildvcs=false");
    go.arg(format!("-modfile={}", language.display()));
    mode_flags(&mut go, variant.mode, strip);
    go.env("GOEXPERIMENT", variant.experiment);
    go.envs(more.iter().copied());
    quiet(go.arg("-o").arg(out.join(name)).arg("."))?;
    fs::remove_file(&language)?;
    Ok(())
}

/// Architectures that mapscope has to refuse, as Go calls them.
const FOREIGN: [&str; 2] = ["386", "arm64"];

/// A program that is not bound to 64 bits.
const ANYWHERE: &str = "demo";

/// That program for other machines, by the newest release: `foreign/386/demo`.
fn foreign(home: &Path) -> Result<()> {
    let variant = Variant { pin: pins::newest(), experiment: "", mode: Mode::Exe };
    for arch in FOREIGN {
        cache::once(&home.join("foreign").join(arch), |draft| {
            eprintln!("building {} for {arch}", variant.pin.version);
            compile(&variant, ANYWHERE, Strip::Nothing, draft, &[("GOARCH", arch)])
        })?;
    }
    Ok(())
}

fn mode_flags(go: &mut Command, mode: Mode, strip: Strip) {
    let cgo = if mode == Mode::Cgo { "1" } else { "0" };
    go.env("CGO_ENABLED", cgo);
    match mode {
        Mode::Exe => go.arg("-buildmode=exe"),
        Mode::Pie => go.arg("-buildmode=pie"),
        Mode::Cgo => go,
    };
    let linkmode = if mode == Mode::Cgo { "-linkmode=external" } else { "" };
    let flags = [linkmode, strip.flags()].join(" ");
    if !flags.trim().is_empty() {
        go.arg(format!("-ldflags={}", flags.trim()));
    }
}

pub(crate) fn checkout() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

fn source_dir() -> PathBuf {
    checkout().join("fixtures")
}

/// A name for what the fixtures are made of: their sources, the pins, and how they are built.
pub(crate) fn source_hash() -> Result<String> {
    let mut hash = Sha256::new();
    for part in ["pins.rs", "variants.rs", "fixtures.rs"] {
        hash.update(fs::read(checkout().join("xtask/src").join(part))?);
    }
    for program in PROGRAMS.into_iter().chain([ANYWHERE, CRASHES, ODD, HOLDERS]) {
        let mut files = fs::read_dir(source_dir().join(program))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
            hash.update(fs::read(file)?);
        }
    }
    Ok(cache::hex(hash.finalize().get(..8).unwrap_or_default()))
}

/// Lets `target/fixtures` of this checkout lead to `home`, for tests run by plain `cargo test`.
fn link(home: &Path) -> Result<()> {
    let target = checkout().join("target");
    let draft = target.join(format!(".fixtures.{}", std::process::id()));
    fs::create_dir_all(&target)?;
    symlink(home, &draft)?;
    fs::rename(&draft, target.join("fixtures"))?;
    Ok(())
}
