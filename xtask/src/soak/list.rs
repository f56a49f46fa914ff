//! Whole runs of mapscope: every other one is killed, the answers of the others are checked.

use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::attach::kill_in_the_act;
use super::target::field;
use super::{Random, Shared};

/// mapscope is killed within so many milliseconds of its start.
const LIFE: u64 = 400;

/// Lists the target's maps, and the entries of one, again and again.
pub(super) fn lister(shared: &Shared) {
    let mut random = Random(3);
    let mut turn = 0;
    shared.repeat(|| {
        turn += 1;
        match turn % 4 {
            1 => answer(shared, &["ls", "--format", "ndjson"], &maps).context("mapscope ls"),
            3 => answer(shared, ENTRIES, &entries).context("mapscope entries"),
            _ => killed(shared, &mut random).context("a mapscope to kill"),
        }
    });
}

/// What mapscope may say instead of an answer: an attacher held the target for as long as it waits,
/// or was a little sooner; or the machine is too busy to let a thread come to its stop.
const REFUSALS: [&str; 3] = ["already traced", "may not stop", "did not stop in time"];

const ENTRIES: &[&str] = &["entries", "main.constant", "--values", "--format", "ndjson"];

fn command(shared: &Shared, args: &[&str]) -> Command {
    let mut command = Command::new(&shared.mapscope);
    let pid = shared.pid.to_string();
    command.arg(args.first().copied().unwrap_or("ls")).arg(pid).args(args.get(1..).unwrap_or(&[]));
    command.stdin(Stdio::null());
    command
}

fn killed(shared: &Shared, random: &mut Random) -> Result<()> {
    let mut command = command(shared, &["ls"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    std::thread::sleep(Duration::from_millis(random.below(LIFE)));
    let held = kill_in_the_act(shared, &mut child)?;
    shared.tally.listings_killed.fetch_add(held.into(), Ordering::Relaxed);
    Ok(())
}

/// What is right of an answer, of which some may be missing.
type Check = dyn Fn(&str, Extent) -> Result<()>;

/// How much of an answer there is.
#[derive(Clone, Copy, PartialEq)]
enum Extent {
    Whole,
    Part,
}

fn answer(shared: &Shared, args: &[&str], check: &Check) -> Result<()> {
    let output = command(shared, args).output()?;
    let [rows, said] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    match output.status.code() {
        Some(0) => check(&rows, Extent::Whole)?,
        Some(3) => {
            cut_short(&rows)?;
            check(&rows, Extent::Part)?;
            shared.tally.cut_short.fetch_add(1, Ordering::Relaxed);
        }
        // An attacher held the target for all the time that mapscope waits.
        Some(2) if REFUSALS.iter().any(|refusal| said.contains(refusal)) => {
            shared.tally.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        code => bail!("it ended with {code:?}: {said}"),
    }
    shared.tally.listed.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// The one reason for an answer that is not whole: the longest pause was over.
fn cut_short(rows: &str) -> Result<()> {
    let tail = rows.lines().last().unwrap_or_default();
    let missing = tail.split_once("\"missing\":").map_or("", |(_, missing)| missing);
    match missing.contains("as long as it may be held (--max-pause)") {
        true => Ok(()),
        false => bail!("it is not whole, for no reason that there is: {tail}"),
    }
}

/// At no moment do the lengths of the twins differ by more than one; `constant` has 1000 entries.
fn maps(rows: &str, extent: Extent) -> Result<()> {
    let len = |path: &str| {
        let row = rows.lines().find(|row| row.contains(&format!("\"path\":\"{path}\"")));
        match row.and_then(|row| field(row, "len")) {
            None if extent == Extent::Whole => bail!("there is no {path}"),
            len => Ok(len),
        }
    };
    for pair in 0..2 {
        let left = len(&format!("main.pairs[{pair}].Left"))?;
        let right = len(&format!("main.pairs[{pair}].Right"))?;
        if let (Some(left), Some(right)) = (left, right)
            && left.abs_diff(right) > 1
        {
            bail!("pair {pair} has {left} and {right} entries: these are of different moments");
        }
    }
    match len("main.constant")? {
        Some(1000) | None => Ok(()),
        Some(other) => bail!("main.constant has {other} entries"),
    }
}

/// Each of "k0" to "k999" is there once, and is what it says.
fn entries(rows: &str, extent: Extent) -> Result<()> {
    let mut seen = [false; 1000];
    for row in rows.lines().filter(|row| row.contains("\"key\":\"k")) {
        let (_, rest) = row.split_once("\"key\":\"k").context("a key")?;
        let key: usize = rest.split('"').next().unwrap_or("").parse()?;
        let elem = field(row, "elem");
        let place = seen.get_mut(key).with_context(|| format!("there is no k{key}"))?;
        if std::mem::replace(place, true) {
            bail!("k{key} is there twice");
        }
        if elem != Some(key as u64) && (elem.is_some() || extent == Extent::Whole) {
            bail!("k{key} is {elem:?}");
        }
    }
    match seen.iter().position(|seen| !seen) {
        Some(key) if extent == Extent::Whole => bail!("k{key} is missing"),
        _ => Ok(()),
    }
}
