//! The target lives: attached to and detached from thousands of times, by two at once, each killed
//! at random moments, it goes on, loses no request, and what is read of it is right.

mod attach;
mod list;
mod target;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::pins;
use crate::process::shown;
pub(crate) use attach::cycle;
use target::{Soaked, field};

/// Cycles of a run that is part of all tests.
const SHORT: u64 = 200;
/// Cycles of a whole run.
const WHOLE: u64 = 10_000;
/// Cycles between two looks at whether all threads run.
const BETWEEN: u64 = 250;

/// What the user wants.
struct Options {
    cycles: u64,
    release: String,
    mapscope: Option<PathBuf>,
    target: Option<PathBuf>,
}

/// `cargo xtask soak`, with its arguments.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let mut options =
        Options { cycles: WHOLE, release: String::new(), mapscope: None, target: None };
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let value = args.next().with_context(|| format!("{option} needs a value"))?;
        match *option {
            "--cycles" => options.cycles = value.parse().context("--cycles needs a number")?,
            "--go" => options.release = (*value).into(),
            "--mapscope" => options.mapscope = Some(value.into()),
            "--target" => options.target = Some(value.into()),
            _ => bail!("soak has no option {option}"),
        }
    }
    soak(&options)
}

/// A short run, on the newest release of each implementation of maps.
pub(crate) fn short() -> Result<()> {
    for pin in [pins::last_classic(), pins::newest()] {
        let release = pin.version.to_owned();
        soak(&Options { cycles: SHORT, release, mapscope: None, target: None })?;
    }
    Ok(())
}

/// What all who do something to the target share.
struct Shared {
    pid: u32,
    cycles: u64,
    mapscope: PathBuf,
    /// Held for reading while something is done to the target; for writing, to look at it in peace.
    peace: RwLock<()>,
    tally: Tally,
    /// The first thing that went wrong.
    failed: Mutex<Option<anyhow::Error>>,
}

/// What was done. A cycle is an attach that was seen, and what ended it.
#[derive(Default)]
struct Tally {
    detached: AtomicU64,
    /// Killed while they held a thread of the target.
    killed: AtomicU64,
    /// Killed while they held none: no cycles.
    killed_apart: AtomicU64,
    listed: AtomicU64,
    /// Answers that said why they are not whole.
    cut_short: AtomicU64,
    listings_killed: AtomicU64,
    refused: AtomicU64,
}

impl Shared {
    fn done(&self) -> u64 {
        self.tally.detached.load(Ordering::Relaxed) + self.tally.killed.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.done() >= self.cycles || self.failure().is_some()
    }

    fn failure(&self) -> std::sync::MutexGuard<'_, Option<anyhow::Error>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Repeats `once` until all is done, or something went wrong.
    fn repeat(&self, mut once: impl FnMut() -> Result<()>) {
        while !self.is_over() {
            let _busy = self.peace.read().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = once() {
                self.failure().get_or_insert(error);
            }
        }
    }
}

fn soak(options: &Options) -> Result<()> {
    let exe = match &options.target {
        Some(exe) => exe.clone(),
        None => target::build(&options.release)?,
    };
    let mapscope = match &options.mapscope {
        Some(mapscope) => mapscope.clone(),
        None => built()?,
    };
    let mut target = Soaked::start(&exe)?;
    let shared = Shared {
        pid: target.pid(),
        cycles: options.cycles,
        mapscope,
        peace: RwLock::new(()),
        tally: Tally::default(),
        failed: Mutex::new(None),
    };
    let began = Instant::now();
    let longest = std::thread::scope(|scope| {
        for seed in 1..=2 {
            let shared = &shared;
            scope.spawn(move || attach::attacher(shared, seed));
        }
        scope.spawn(|| list::lister(&shared));
        inspector(&shared, &mut target)
    });
    if let Some(error) = shared.failure().take() {
        return Err(error.context(format!("after {} cycles", shared.done())));
    }
    let end = target.end()?;
    conclude(&shared, began.elapsed(), longest?, &end);
    Ok(())
}

/// Looks at the target in peace, again and again. The longest gap of its heartbeat is returned, in
/// nanoseconds.
fn inspector(shared: &Shared, target: &mut Soaked) -> Result<u64> {
    let (mut next, mut longest) = (BETWEEN, 0);
    while !shared.is_over() {
        std::thread::sleep(Duration::from_millis(20));
        if shared.done() >= next {
            next = shared.done() + BETWEEN;
            let _peace = shared.peace.write().unwrap_or_else(PoisonError::into_inner);
            match target.inspect() {
                Ok(state) => longest = longest.max(field(&state, "longest").unwrap_or(0)),
                Err(error) => drop(shared.failure().get_or_insert(error)),
            }
            eprintln!("{} of {} cycles", shared.done(), shared.cycles);
        }
    }
    Ok(longest)
}

fn conclude(shared: &Shared, took: Duration, longest: u64, end: &str) {
    let tally = &shared.tally;
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    println!(
        "soak: {} cycles in {:.0} s: {} detached, {} killed while they held it ({} more while they \
         did not); mapscope: {} answers checked, {} of them cut short and saying so, {} killed \
         while it held it; {} times another tracer was there first",
        shared.done(),
        took.as_secs_f64(),
        count(&tally.detached),
        count(&tally.killed),
        count(&tally.killed_apart),
        count(&tally.listed),
        count(&tally.cut_short),
        count(&tally.listings_killed),
        count(&tally.refused),
    );
    println!(
        "soak: no thread left stopped, {} checks of its own held, {} requests made, {} answered; \
         its longest gap: {:.1} ms",
        field(end, "checks").unwrap_or(0),
        field(end, "requests").unwrap_or(0),
        field(end, "answered").unwrap_or(0),
        longest as f64 / 1e6,
    );
}

/// mapscope, as cargo builds it.
fn built() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    shown(Command::new(cargo).args(["build", "--package", "mapscope"]))?;
    let own = std::env::current_exe()?;
    let beside = own.parent().unwrap_or(Path::new(".")).join("mapscope");
    if !beside.is_file() {
        bail!("there is no {}: give one by --mapscope", beside.display());
    }
    Ok(beside)
}

/// Numbers without an order, the same in each run (Marsaglia's xorshift64).
struct Random(u64);

impl Random {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}
