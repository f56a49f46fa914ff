//! What `mapscope catch` costs a program: its throughput bare, armed, and with delve attached, in turns
//! on one process; and how long programs of some sizes stand still when they die.

mod hot;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fixtures::checkout;
use crate::pins::{PINS, Pin};
use hot::{Hot, Rate};

/// How long each is let work, in milliseconds.
const WINDOW: u32 = 1000;
/// Memory beside the maps, in bytes, of the programs that are let die.
const HELD: [u64; 3] = [0, 500_000_000, 2_000_000_000];

/// Who watches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watcher {
    Nobody,
    Bpf,
    Ptrace,
    Delve,
}

const WATCHERS: [(Watcher, &str); 4] = [
    (Watcher::Nobody, "nobody"),
    (Watcher::Bpf, "mapscope catch"),
    (Watcher::Ptrace, "mapscope catch --with ptrace"),
    (Watcher::Delve, "delve, attached and continuing"),
];

struct Options {
    rounds: usize,
    release: String,
    mapscope: Option<PathBuf>,
    delve: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Options> {
        let mut options =
            Options { rounds: 5, release: "1.26".into(), mapscope: None, delve: None };
        let mut rest = words;
        while let [name, value, more @ ..] = rest {
            match *name {
                "--rounds" => options.rounds = value.parse().context("--rounds")?,
                "--go" => options.release = (*value).into(),
                "--mapscope" => options.mapscope = Some(value.into()),
                "--delve" => options.delve = Some(value.into()),
                _ => bail!("cannot make sense of {name}"),
            }
            rest = more;
        }
        match rest {
            [] => Ok(options),
            [word, ..] => bail!("cannot make sense of {word}"),
        }
    }
}

/// Measures, prints two tables, and writes them to `bench/results/catch.md`.
pub(crate) fn all(words: &[&str]) -> Result<()> {
    let options = Options::parse(words)?;
    let mapscope = options.mapscope.clone().map_or_else(crate::bench::build, Ok)?;
    let pin: &Pin = PINS.iter().find(|pin| pin.is(&options.release)).context("no such release")?;
    let dir = std::env::temp_dir().join(format!("mapscope-armed-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let exe = hot::build(pin, &dir)?;
    let mut text = format!("# Measured by `cargo xtask armed`\n\nGo {}.\n", pin.version);
    text.push_str(&rates(&options, &mapscope, &exe, &dir)?);
    text.push_str(&stops(&options, &mapscope, &exe, &dir)?);
    fs::remove_dir_all(&dir)?;
    fs::write(checkout().join("bench/results/catch.md"), &text)?;
    println!("{text}");
    Ok(())
}

/// The table of throughputs.
fn rates(options: &Options, mapscope: &Path, exe: &Path, dir: &Path) -> Result<String> {
    let mut hot = Hot::start(exe, 0)?;
    let mut rates: Vec<Vec<Rate>> = vec![Vec::new(); WATCHERS.len()];
    for _ in 0..options.rounds {
        for ((watcher, _), rates) in WATCHERS.iter().zip(&mut rates) {
            if *watcher == Watcher::Delve && options.delve.is_none() {
                continue;
            }
            let watching = watch(*watcher, options, mapscope, hot.pid(), dir)?;
            rates.push(hot.rate(WINDOW)?);
            if let Some(watching) = watching {
                end(watching)?;
            }
        }
    }
    let mut text = format!(
        "\n## A program that does nothing but work on maps\n\nMedians of {} rounds; in each all watch \
         the same process in turn, for {} s. In brackets the least and the most.\n\n| watched by | \
         million operations a second of processor time | of time | of nobody's, in the same \
         round |\n|---|---|---|---|\n",
        options.rounds,
        f64::from(WINDOW) / 1e3
    );
    let bare: Vec<f64> = rates[0].iter().map(|rate| rate.cpu).collect();
    for ((_, name), rates) in WATCHERS.iter().zip(&rates).filter(|(_, rates)| !rates.is_empty()) {
        let part = rates.iter().zip(&bare).map(|(rate, bare)| rate.cpu / bare);
        text.push_str(&format!(
            "| {name} | {} | {} | {} |\n",
            spread(rates.iter().map(|rate| rate.cpu / 1e6)),
            spread(rates.iter().map(|rate| rate.wall / 1e6)),
            spread(part),
        ));
    }
    Ok(text)
}

/// Has it watch the process `pid`, and returns when it does.
fn watch(
    watcher: Watcher,
    options: &Options,
    mapscope: &Path,
    pid: u32,
    dir: &Path,
) -> Result<Option<Child>> {
    let mut command = match watcher {
        Watcher::Nobody => return Ok(None),
        Watcher::Bpf | Watcher::Ptrace => {
            let mut catch = Command::new(mapscope);
            let way = if watcher == Watcher::Bpf { "bpf" } else { "ptrace" };
            catch.args(["catch", "--with", way, "-o"]).arg(dir).arg("-p").arg(pid.to_string());
            catch
        }
        Watcher::Delve => {
            let mut delve = Command::new(options.delve.as_ref().context("no delve")?);
            delve.arg("attach").arg(pid.to_string());
            delve.args(["--headless", "--accept-multiclient", "--continue"]);
            delve.args(["--check-go-version=false", "--listen=127.0.0.1:0"]);
            delve
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start who is to watch")?;
    match watcher {
        Watcher::Delve => {
            until(child.stdout.as_mut().context("a pipe")?, "listening")?;
            // It continues the process after that, and does not say when.
            std::thread::sleep(Duration::from_secs(1));
        }
        _ => until(child.stderr.as_mut().context("a pipe")?, "armed:")?,
    }
    Ok(Some(child))
}

/// Waits until a line with this word comes.
fn until(from: &mut dyn Read, word: &str) -> Result<()> {
    for line in BufReader::with_capacity(1, from).lines() {
        if line?.contains(word) {
            return Ok(());
        }
    }
    bail!("it never said `{word}`")
}

/// Ends one who watches: as by Ctrl-C, at which it lets the process go.
fn end(mut watching: Child) -> Result<()> {
    kill(Pid::from_raw(watching.id().cast_signed()), Signal::SIGINT)?;
    watching.wait()?;
    Ok(())
}

/// The table of stops.
fn stops(options: &Options, mapscope: &Path, exe: &Path, dir: &Path) -> Result<String> {
    let mut text = format!(
        "\n## How long a program stands still when it dies\n\nMedians of {} programs, by mapscope's own \
         measure. In brackets the least and the most.\n\n| copied | stood still, ms | GB \
         a second |\n|---|---|---|\n",
        options.rounds
    );
    for held in HELD {
        let mut taken = Vec::new();
        for _ in 0..options.rounds {
            taken.push(stop(mapscope, exe, held, dir)?);
        }
        let bytes = taken.iter().map(|(bytes, _)| *bytes as f64);
        text.push_str(&format!(
            "| {:.3} GB | {} | {} |\n",
            bytes.sum::<f64>() / taken.len() as f64 / 1e9,
            spread(taken.iter().map(|(_, ns)| *ns as f64 / 1e6)),
            spread(taken.iter().map(|(bytes, ns)| *bytes as f64 / *ns as f64)),
        ));
    }
    Ok(text)
}

/// Catches a program with so much memory: the bytes that were copied, and how long that took, in
/// nanoseconds.
fn stop(mapscope: &Path, exe: &Path, held: u64, dir: &Path) -> Result<(u64, u64)> {
    let mut hot = Hot::start(exe, held)?;
    let cores = dir.join("cores");
    let mut catch = Command::new(mapscope);
    catch.args(["catch", "--format", "json", "--keep", "1", "-o"]).arg(&cores);
    catch.arg("-p").arg(hot.pid().to_string());
    catch.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = catch.spawn().context("cannot start mapscope")?;
    until(child.stderr.as_mut().context("a pipe")?, "armed:")?;
    hot.die()?;
    let said: serde_json::Value = serde_json::from_slice(&child.wait_with_output()?.stdout)?;
    fs::remove_dir_all(&cores)?;
    let figure = |name: &str| said["caught"][name].as_u64().context("it was not caught");
    Ok((figure("copied_bytes")?, figure("stop_ns")?))
}

/// The median, with the least and the most.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return String::new() };
    let median = values.get(values.len() / 2).unwrap_or(first);
    format!("{} ({} to {})", digits(*median), digits(*first), digits(*last))
}

/// With three digits or so.
fn digits(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
