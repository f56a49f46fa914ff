//! A race that is made, so that nothing of it is luck: the write mark is set from outside on a map whose
//! mutex is held and waited for, and which has begun to grow where maps grow step by step.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;

use crate::Scratch;

/// As `fixtures/crashes/held.go` has them.
const WAITERS: usize = 3;

/// One more than 8 buckets of a classic map take: whatever the hashes are, it has just begun to grow then.
/// That is 6.5 for each bucket, and in Go 1.21 6 (`loadFactorNum` in runtime/map.go).
fn entries(build: &str) -> u64 {
    if build.starts_with("1.21.") { 49 } else { 53 }
}

/// The program, which waits. Dropped, it is killed.
struct Held(Child);

impl Held {
    fn start(
        program: &Path,
        dir: &Path,
        argument: &str,
        environment: &[(&str, &str)],
    ) -> Result<Held, Failed> {
        let mut command = Command::new("sh");
        let shell = "ulimit -c unlimited && exec \"$0\" \"$1\"";
        command.args(["-c", shell]).arg(program).arg(argument);
        command.current_dir(dir).env("GOTRACEBACK", "crash").env_remove("CRASHES_WAIT");
        command.envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut held = Held(command.spawn()?);
        let stdout = held.0.stdout.as_mut().ok_or("no pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        match line.as_str() {
            "WAITING\n" => Ok(held),
            other => Err(format!("the program says {other:?}").into()),
        }
    }

    /// Has it touch the map, and waits for its end.
    fn touch(mut self) -> Result<(), Failed> {
        self.0.stdin.as_mut().ok_or("no pipe")?.write_all(b"x")?;
        match self.0.wait()?.success() {
            true => Err("it lives on".into()),
            false => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It may have died, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lets the program die, and asks why.
pub(crate) fn test(program: &Path, build: &str, classic: bool) -> Result<(), Failed> {
    let entries = entries(build);
    let environment = [("CRASHES_ENTRIES", entries.to_string())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (report, addr) = died(program, "-held", &environment, "main.sessions.byID")?;
    verdict(judge(&report, &addr, entries, classic), &report)
}

/// Has the write mark of the map set from outside, lets the program die, and answers with what is said of
/// that, and with the map's address.
pub(crate) fn died(
    program: &Path,
    argument: &str,
    environment: &[(&str, &str)],
    map: &str,
) -> Result<(Value, String), Failed> {
    let scratch = Scratch::new(program, argument.trim_start_matches('-'))?;
    let held = Held::start(program, &scratch.0, argument, environment)?;
    let pid = held.0.id().to_string();
    let list = ask(&["ls", &pid, "--where", &format!("path == {map:?}")])?;
    let addr = list["maps"][0]["addr"].as_str().ok_or("the map is not listed")?.to_owned();
    // By nothing but its address.
    let injected = ask(&["inject", &pid, &addr, "--i-know-this-kills"])?;
    if injected["injected"]["map"] != addr.as_str() {
        return Err(format!("another map was changed: {injected}").into());
    }
    held.touch()?;
    let core = scratch.0.join("core");
    let core = core.to_str().ok_or("not UTF-8")?;
    let report = ask(&["autopsy", core, "--exe", program.to_str().ok_or("not UTF-8")?])?;
    Ok((report, addr))
}

/// Nothing may be wrong.
pub(crate) fn verdict(wrong: Vec<String>, report: &Value) -> Result<(), Failed> {
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("{wrong:#?} in {report:#}").into()),
    }
}

fn ask(words: &[&str]) -> Result<Value, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mapscope"));
    let output = command.args(words).args(["--format", "json"]).output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0 | 1) => Ok(serde_json::from_slice(&output.stdout)?),
        code => Err(format!("{words:?} exits with {code:?}: {stderr}").into()),
    }
}

/// What is wrong with the report.
fn judge(report: &Value, addr: &str, entries: u64, classic: bool) -> Vec<String> {
    let facts = [
        ("/crash/kind", Value::from("concurrent map writes")),
        ("/operation/operation", "delete".into()),
        ("/operation/function", "main.(*Sessions).drop".into()),
        ("/operation/key", 0.into()),
        ("/map/addr", addr.into()),
        ("/map/path", "main.sessions.byID".into()),
        ("/map/len", entries.into()),
        ("/map/marked", true.into()),
        ("/race/between", "two writers".into()),
        ("/race/growth", classic.into()),
        ("/race/stored", entries.into()),
        ("/locks/0/field", "mu".into()),
        ("/locks/0/state", "locked".into()),
        ("/locks/0/waiters", WAITERS.into()),
    ];
    let differs = |(at, wanted): &(&str, Value)| {
        let found = report.pointer(at).unwrap_or(&Value::Null);
        (found != wanted).then(|| format!("{at} is {found}, not {wanted}"))
    };
    let mut wrong: Vec<String> = facts.iter().filter_map(differs).collect();
    wrong.extend(waiting(report));
    wrong
}

/// Each goroutine that waits for the mutex is told of, with its stack.
fn waiting(report: &Value) -> Option<String> {
    let waiting = report["locks"][0]["waiting"].as_array().map_or(&[][..], Vec::as_slice);
    let stacks = report["stacks"].as_array().map_or(&[][..], Vec::as_slice);
    let waits = |goroutine: &&Value| {
        stacks.iter().any(|row| {
            row["goroutine"] == **goroutine
                && row["matters"] == "near, waits for mu"
                && (row["state"] == "sync.Mutex.Lock" || row["state"] == "semacquire")
                && row["function"] == "main.(*Sessions).add"
        })
    };
    let right = waiting.len() == WAITERS && waiting.iter().all(|one| waits(&one));
    (!right).then(|| format!("{waiting:?} wait, with the stacks {stacks:#?}"))
}
