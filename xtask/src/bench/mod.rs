//! Speed and memory of mapscope and its peers on one workload, in one run.

mod deaths;
mod live;
mod lookups;
mod measure;
mod options;
mod peers;
mod questions;
mod table;
mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fixtures::checkout;
use crate::process::quiet;
use measure::Limits;
use options::{Options, Row};
use questions::{Bench, Dump};
use table::Table;
pub(crate) use workload::field;
use workload::{Beside, Workload};

/// No run of a peer lasts longer.
const PATIENCE: Duration = Duration::from_secs(900);

/// Bytes of other objects beside the maps, for what they must not cost.
const BALLAST: [u64; 3] = [0, 1 << 30, 4 << 30];

/// Measures what `words` ask for, and writes `bench/results/NAME.md`.
pub(crate) fn all(words: &[&str]) -> Result<()> {
    let options = Options::parse(words)?;
    let dir = options.keep.clone().unwrap_or_else(|| checkout().join("target/bench"));
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let bench = Bench {
        mapscope: options.mapscope.clone().map_or_else(build, Ok)?,
        peers: peers::all(&options, &dir),
        dir: dir.clone(),
        runs: options.runs,
        limits: Limits { time: PATIENCE, memory: memory("MemAvailable:") / 4 * 3 },
    };
    let mut text = head(&bench);
    for release in &options.releases {
        for table in release_tables(&options, &bench, release)? {
            text.push_str(&table.markdown());
        }
    }
    let name = options.name.unwrap_or_else(|| match options.scale {
        1 => "full".into(),
        scale => format!("scale-{scale}"),
    });
    let results = checkout().join("bench/results");
    fs::create_dir_all(&results)?;
    fs::write(results.join(format!("{name}.md")), &text)?;
    println!("{text}");
    if options.keep.is_none() {
        fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

fn release_tables(options: &Options, bench: &Bench, release: &str) -> Result<Vec<Table>> {
    let sources = checkout().join("bench/workload");
    let exe = workload::build(&sources, peers::pin(release)?, &bench.dir, "")?;
    let mut tables = Vec::new();
    let of_core =
        [Row::Ls, Row::Entries, Row::Get, Row::Verify].iter().any(|row| options.has(*row));
    if of_core || options.has(Row::Live) {
        let mut target = Workload::start(&exe, options.scale, Beside::Ballast(0))?;
        if options.has(Row::Live) {
            tables.push(bench.live(&mut target)?);
        }
        if of_core {
            let dump = dump(bench, target)?;
            tables.extend(options.has(Row::Ls).then(|| bench.ls(&dump)));
            tables.extend(options.has(Row::Entries).then(|| bench.entries(&dump)));
            tables.extend(options.has(Row::Get).then(|| bench.get(&dump)));
            tables.extend(options.has(Row::Verify).then(|| bench.verify(&dump)));
            forget(&dump.core, options)?;
        }
    }
    if options.has(Row::Ballast) {
        tables.extend(ballast(options, bench, release, &exe)?);
    }
    if options.has(Row::Owners) {
        let mut target = Workload::start(&exe, options.scale, Beside::Owners)?;
        let title = format!(
            "live `ls` where each of {} records leads to a holder of a map, {}",
            10_000_000 / options.scale,
            questions::about(&target.truth)
        );
        tables.push(Table { title, lines: vec![bench.live_ls("mapscope ls", &mut target)] });
    }
    if options.has(Row::Stripped) {
        let bare = workload::build(&sources, peers::pin(release)?, &bench.dir, "-s -w")?;
        tables.push(stripped(options, bench, [&exe, &bare])?);
    }
    if options.has(Row::Autopsy) {
        for how in deaths::HOW {
            tables.push(autopsy(options, bench, &exe, how)?);
        }
    }
    Ok(tables)
}

/// The same maps of a program with DWARF and of one that has neither that nor symbols.
fn stripped(options: &Options, bench: &Bench, [whole, bare]: [&Path; 2]) -> Result<Table> {
    let mut lines = Vec::new();
    let mut title = String::new();
    let ways = [("mapscope ls, DWARF", whole, true), ("mapscope ls, `-s -w`", bare, false)];
    for (name, exe, named) in ways {
        let mut target = Workload::start(exe, options.scale, Beside::Ballast(0))?;
        title = format!("live `ls` without DWARF, {}", questions::about(&target.truth));
        lines.push(bench.live_ls_of(name, &mut target, named));
    }
    Ok(Table { title, lines })
}

/// Why the workload died.
fn autopsy(options: &Options, bench: &Bench, exe: &Path, how: &str) -> Result<Table> {
    let dump = deaths::die(exe, options.scale, how, &bench.dir.join("death"))?;
    let table = bench.autopsy(&dump, how);
    forget(&dump.core, options)?;
    Ok(table)
}

/// The same maps beside more and more of something else, live and from a core.
fn ballast(options: &Options, bench: &Bench, release: &str, exe: &Path) -> Result<[Table; 2]> {
    let (mut live, mut cores) = (Vec::new(), Vec::new());
    for bytes in BALLAST {
        let title = format!("mapscope ls, {} GB of ballast", bytes >> 30);
        let mut target = Workload::start(exe, options.scale, Beside::Ballast(bytes))?;
        live.push(bench.live_ls(&title, &mut target));
        let dump = dump(bench, target)?;
        cores.push(bench.ballast(&title, &dump));
        forget(&dump.core, options)?;
    }
    Ok([
        Table { title: format!("live `ls` beside ballast, Go {release}"), lines: live },
        Table { title: format!("`ls` of a core beside ballast, Go {release}"), lines: cores },
    ])
}

/// Dumps the workload, which then ends.
fn dump(bench: &Bench, target: Workload) -> Result<Dump> {
    let core = target.dump(&bench.dir.join("core"))?;
    Ok(Dump { core, exe: target.exe.clone(), truth: target.truth.clone() })
}

fn forget(core: &Path, options: &Options) -> Result<()> {
    match options.keep {
        Some(_) => Ok(()),
        None => fs::remove_file(core).with_context(|| format!("cannot remove {}", core.display())),
    }
}

/// mapscope as it is shipped.
pub(crate) fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(checkout()).args(["build", "--release", "--package", "mapscope"]);
    eprintln!("building mapscope");
    quiet(&mut command)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| checkout().join("target"));
    Ok(target.join("release/mapscope"))
}

/// What was measured, and on what.
fn head(bench: &Bench) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let memory = memory("MemTotal:") >> 30;
    let mut text = format!(
        "# Measured by `cargo xtask bench`\n\n{model}, {cores} cores, {memory} GB of memory, \
         Linux {kernel}. Medians of the runs; what takes longer than half a minute ran once. Peak \
         memory is what `wait4` says, pages of the mapped core included; memory of its own is the \
         most that samples of `RssAnon` showed. ×N is how many times mapscope's figure that is. The \
         cores are in the page cache. A run is stopped after a quarter of an hour, or when it takes \
         three quarters of the memory that was free.\n\n"
    );
    for tool in &bench.peers {
        let version = match &tool.exe {
            Ok(_) => tool.version.clone(),
            Err(why) => why.to_string(),
        };
        text.push_str(&format!("* {}: {version}\n", tool.name));
    }
    text
}

/// A line of `/proc/meminfo` in bytes.
fn memory(name: &str) -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    figure.unwrap_or(0).saturating_mul(1024)
}
