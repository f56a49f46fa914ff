//! Attaching and detaching, in a process that is killed while it does.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use mapscope_target::{Addr, Freeze, FreezeError, Live, Memory, Progress, Target};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::target::tracers;
use super::{Random, Shared};

/// The process is killed within so many microseconds of its start.
const LIFE: u64 = 30_000;
/// What is read while the target runs, so that there is something to read again when it stands.
const PAGES: u64 = 64;

/// The hidden task of a process that is to be killed: it attaches, reads and detaches without an
/// end, and says so by a byte each: `+` for a cycle, `-` where another tracer was there first.
pub(crate) fn cycle(pid: &str) -> Result<()> {
    let live = Live::open(pid.parse()?)?;
    let progress = Progress::default();
    let mut out = std::io::stdout();
    loop {
        live.forget();
        rehearse(&live);
        let told: &[u8] = match live.freeze(Freeze::Stop, &progress) {
            Ok(pause) => {
                pause.finish();
                b"+"
            }
            Err(FreezeError::Traced { .. } | FreezeError::Denied { .. }) => b"-",
            Err(error) => return Err(error.into()),
        };
        out.write_all(told)?;
        out.flush()?;
    }
}

/// Reads pages of every kind of memory that it has.
fn rehearse(live: &Live) {
    for mapping in live.mappings().iter().take(16) {
        for page in 0..PAGES {
            let at = Addr(mapping.start.0.saturating_add(page * 4096));
            // What cannot be read is none of our business.
            let _ = live.read(at, &mut [0]);
        }
    }
}

/// Starts such processes one after the other, and kills each.
pub(super) fn attacher(shared: &Shared, seed: u64) {
    let mut random = Random(seed);
    shared.repeat(|| one(shared, &mut random).context("a process that attaches"));
}

fn one(shared: &Shared, random: &mut Random) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["soak-cycle", &shared.pid.to_string()]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    std::thread::sleep(Duration::from_micros(random.below(LIFE)));
    let held = kill_in_the_act(shared, &mut child)?;
    let mut told = Vec::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_end(&mut told)?;
    }
    let detached = told.iter().filter(|byte| **byte == b'+').count() as u64;
    let refused = told.len() as u64 - detached;
    shared.tally.detached.fetch_add(detached, Ordering::Relaxed);
    shared.tally.refused.fetch_add(refused, Ordering::Relaxed);
    let killed = if held { &shared.tally.killed } else { &shared.tally.killed_apart };
    killed.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Ends a process by SIGKILL: it gets no chance to clean up. Whether it held a thread of the target
/// then: it is stopped before, so that it cannot let go between the look and its end.
pub(super) fn kill_in_the_act(shared: &Shared, child: &mut Child) -> Result<bool> {
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    // Not waited for yet, it is no other process; one that has ended takes no signal.
    let _ = kill(pid, Signal::SIGSTOP);
    let held = tracers(shared.pid)?.iter().any(|tracer| is_of(child.id(), tracer));
    child.kill()?;
    child.wait()?;
    Ok(held)
}

/// Whether a thread is one of a process.
fn is_of(pid: u32, thread: &str) -> bool {
    Path::new(&format!("/proc/{pid}/task/{thread}")).exists()
}
