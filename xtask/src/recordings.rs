//! The recordings that are committed: what every analysis reads of `fixtures/pond`, for every
//! release, shape of maps and way of linking. Those of deaths are in `deaths`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::deaths;
use crate::fixtures::checkout;
use crate::pins::{PINS, Pin, Recorded};
use crate::place::Place;
use crate::process::{exists, quiet};
use crate::toolchains::go_of;
use crate::variants::{Mode, Strip, Variant};

/// Where they are made: a recording names its executable.
const PLACE: &str = "/var/tmp/mapscope-pond";

/// How large all recordings may be together, in bytes: they are part of every clone.
const LIMIT: u64 = 15_000_000;
/// How long the head of a recording is, before its compressed part, in bytes.
const HEAD: usize = 16;

/// One way to build the pond.
struct Build {
    pin: &'static Pin,
    experiment: &'static str,
    mode: Mode,
    strip: Strip,
}

impl Build {
    fn variant(&self) -> Variant {
        Variant { pin: self.pin, experiment: self.experiment, mode: self.mode }
    }

    /// `1.24.11-noswissmap-exe`, `1.26.6-exe-s`.
    fn name(&self) -> String {
        self.variant().name() + self.strip.suffix()
    }

    fn ldflags(&self) -> String {
        let mut flags = match (self.strip, self.mode) {
            // The DWARF of programs with C stays as their linker compresses it; that of others is
            // left as it is, for zstd packs it tighter than zlib.
            (Strip::Nothing, Mode::Exe | Mode::Pie) => String::from("-compressdwarf=false"),
            (strip, _) => strip.flags().to_owned(),
        };
        if self.mode == Mode::Cgo {
            flags.push_str(" -linkmode=external");
        }
        flags
    }
}

/// Every release as an executable, with all it can have and stripped; so every experiment that
/// changes maps; and the other ways of linking, for one release of either implementation.
fn builds() -> impl Iterator<Item = Build> {
    const ALL: [Recorded; 2] = [("", Mode::Exe, Strip::Nothing), ("", Mode::Exe, Strip::Symbols)];
    PINS.iter().flat_map(|pin| {
        let recorded = ALL.iter().chain(pin.recorded);
        recorded.map(move |&(experiment, mode, strip)| Build { pin, experiment, mode, strip })
    })
}

/// Records every build of the releases `only` names anew.
pub(crate) fn all(only: &str) -> Result<()> {
    if !exists("zstd", "--version") {
        bail!("zstd is missing (Debian: apt-get install zstd)");
    }
    quiet(cargo().args(["build", "--package", "mapscope", "--example", "record"]))?;
    let home = checkout().join("recordings");
    fs::create_dir_all(&home)?;
    let mut failed = Vec::new();
    for build in builds().filter(|build| build.pin.is(only)) {
        match record(&build, &home) {
            Ok(size) => println!("{}: {size} bytes", build.name()),
            Err(error) => failed.push(format!("{}: {error:#}", build.name())),
        }
    }
    let total = sizes(&home)?;
    println!("{}: {total} bytes", home.display());
    if total > LIMIT {
        bail!("the recordings are larger than {LIMIT} bytes");
    }
    match failed.is_empty() {
        true => deaths::all(only),
        false => bail!("{} were not recorded:\n{}", failed.len(), failed.join("\n")),
    }
}

pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Makes `NAME.rec` and `NAME.json` in `home`: the recording, and what the program says of itself.
fn record(build: &Build, home: &Path) -> Result<u64> {
    let place = Place::make(&Path::new(PLACE).join(build.name()))?;
    let exe = place.0.join("pond");
    compile(build, &exe)?;
    let mut pond = Pond::start(&exe)?;
    let truth = place.0.join("truth.json");
    fs::write(&truth, pond.truth()?)?;
    let raw = place.0.join("raw");
    let mut recorder = cargo();
    recorder.args(["run", "--quiet", "--package", "mapscope", "--example", "record", "--"]);
    quiet(recorder.arg(pond.0.id().to_string()).arg(&truth).arg(&raw))?;
    let name = build.name();
    fs::copy(&truth, home.join(format!("{name}.json")))?;
    pack(&raw, &home.join(format!("{name}.rec")))
}

fn compile(build: &Build, exe: &Path) -> Result<()> {
    let language = exe.with_extension("mod");
    fs::write(&language, format!("module pond\n\ngo {}\n", build.pin.minor()))?;
    let mut go = go_of(build.pin)?;
    go.current_dir(checkout().join("fixtures/pond"));
    go.args(["build", "-trimpath", "-buildvcs=false"]);
    go.arg(format!("-modfile={}", language.display()));
    go.arg(format!("-buildmode={}", if build.mode == Mode::Pie { "pie" } else { "exe" }));
    go.arg(format!("-ldflags={}", build.ldflags()));
    go.env("CGO_ENABLED", if build.mode == Mode::Cgo { "1" } else { "0" });
    go.env("GOEXPERIMENT", build.experiment);
    quiet(go.arg("-o").arg(exe).arg(".")).map(drop)
}

/// Packs a recording as tightly as zstd can, and answers with its size.
pub(crate) fn pack(raw: &Path, to: &Path) -> Result<u64> {
    let bytes = fs::read(raw)?;
    let (head, packed) = bytes.split_at_checked(HEAD).context("no recording was written")?;
    let plain = filtered(Command::new("zstd").args(["-d", "-c"]), packed)?;
    let tight = filtered(Command::new("zstd").args(["--ultra", "-22", "-c"]), &plain)?;
    fs::write(to, [head, &tight].concat())?;
    Ok(fs::metadata(to)?.len())
}

/// What `command` makes of `input`.
fn filtered(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (mut stdin, mut stdout) =
        (child.stdin.take().context("no pipe")?, child.stdout.take().context("no pipe")?);
    let mut output = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let writer = scope.spawn(move || stdin.write_all(input));
        stdout.read_to_end(&mut output)?;
        Ok(writer.join().unwrap_or(Ok(()))?)
    })?;
    match child.wait()?.success() {
        true => Ok(output),
        false => bail!("zstd failed"),
    }
}

/// How large the files in `home` are together.
pub(crate) fn sizes(home: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(home)? {
        let about = entry?.metadata()?;
        total += if about.is_file() { about.len() } else { 0 };
    }
    Ok(total)
}

/// A pond that runs. Dropped, it ends.
struct Pond(Child);

impl Pond {
    /// In an empty environment, which its stack would hold too, and without a collector.
    fn start(exe: &Path) -> Result<Pond> {
        let mut command = Command::new(exe);
        command.env_clear().env("GOGC", "off").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Pond(command.spawn().context("cannot start the pond")?))
    }

    /// What it says of itself.
    fn truth(&mut self) -> Result<String> {
        let mut lines = BufReader::new(self.0.stdout.take().context("no pipe")?).lines();
        let truth = lines.next().context("the pond ended")??;
        match lines.next().context("the pond ended")??.as_str() {
            "READY" => Ok(truth),
            other => bail!("the pond said `{other}`"),
        }
    }
}

impl Drop for Pond {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
