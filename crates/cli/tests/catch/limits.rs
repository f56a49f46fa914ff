//! What cannot be watched or kept.

use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

use crate::catcher::{Scratch, catch, finish};

type Test = fn(&Path) -> Result<(), Failed>;

const TESTS: [(&str, Test); 6] = [
    ("not-go", not_go),
    ("gone", gone),
    ("full-disk", full_disk),
    ("max-disk", max_disk),
    ("no-map", no_map),
    ("gdb", gdb),
];

pub(crate) fn trials(program: &Path) -> Vec<Trial> {
    let trial = |(name, test): (&str, Test)| {
        let program = program.to_owned();
        Trial::test(format!("limits/{name}"), move || test(&program))
    };
    TESTS.into_iter().map(trial).collect()
}

fn not_go(_: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new("not-go")?;
    let run = finish(catch(&scratch.0).args(["--", "/bin/sleep", "60"]))?;
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("cannot be used"), "{}", run.stderr);
    let run = finish(catch(&scratch.0).args(["--", "/no/such/program"]))?;
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("cannot start /no/such/program"), "{}", run.stderr);
    Ok(())
}

fn gone(_: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new("gone")?;
    let run = finish(catch(&scratch.0).args(["-p", "4194304"]))?;
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("no process 4194304"), "{}", run.stderr);
    Ok(())
}

/// A disk that fills: no half core, and the program goes on.
fn full_disk(program: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new("full-disk")?;
    let script = "mount -t tmpfs -o size=256k none \"$1\" && \"$0\" catch -o \"$1\" -- \"$2\" nil-field; \
                  code=$?; ls -A \"$1\" >&2; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_mapscope")]);
    let run = finish(command.arg(&scratch.0).arg(program).stdin(Stdio::null()))?;
    assert_eq!((run.code, run.reports.len()), (Some(3), 0), "{}", run.stderr);
    assert!(run.stderr.contains("No space left on device"), "{}", run.stderr);
    assert!(run.stderr.contains("exit status: 2"), "{}", run.stderr);
    assert!(!run.stderr.lines().any(|line| line.starts_with("core")), "{}", run.stderr);
    Ok(())
}

fn max_disk(program: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new("max-disk")?;
    let mut command = catch(&scratch.0);
    let run = finish(command.args(["--max-disk", "100K", "--"]).arg(program).arg("nil-field"))?;
    assert_eq!((run.code, run.reports.len()), (Some(3), 0), "{}", run.stderr);
    assert!(run.stderr.contains("its core would take"), "{}", run.stderr);
    assert!(run.stderr.contains("exit status: 2"), "{}", run.stderr);
    assert!(scratch.files()?.is_empty());
    Ok(())
}

/// A nil pointer that came out of no map is none of ours, unless any death is asked for.
fn no_map(program: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new("no-map")?;
    let mut command = catch(&scratch.0);
    let run =
        finish(command.args(["--on", "missing", "--"]).arg(program).arg("no-map-nil-pointer"))?;
    assert_eq!((run.code, run.reports.len()), (Some(0), 0), "{}", run.stderr);
    assert!(run.stderr.contains("exit status: 2"), "{}", run.stderr);
    assert!(scratch.files()?.is_empty());
    let mut command = catch(&scratch.0);
    let run = finish(command.args(["--on", "any", "--"]).arg(program).arg("no-map-nil-pointer"))?;
    // Once, though each nil pointer becomes a panic.
    let kinds: Vec<_> = run.reports.iter().map(|report| &report["crash"]["kind"]).collect();
    assert_eq!(kinds, ["nil pointer dereference"]);
    let mut command = catch(&scratch.0);
    let run = finish(command.args(["--on", "any", "--"]).arg(program).arg("no-map-index"))?;
    let said = run.report()?["crash"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(said.contains("index out of range"), "{said}");
    Ok(())
}

/// The core is one that others read as well.
fn gdb(program: &Path) -> Result<(), Failed> {
    let scratch = Scratch::new("gdb")?;
    let mut command = catch(&scratch.0);
    let run = finish(command.arg("--").arg(program).arg("nil-field"))?;
    let core = run.report()?["caught"]["core"].as_str().unwrap_or_default().to_owned();
    let mut command = Command::new("gdb");
    command.args(["-nx", "-batch", "-ex", "bt"]).arg(program).arg(core);
    let said = String::from_utf8(command.output()?.stdout)?;
    assert!(said.contains("runtime.mapassign"), "{said}");
    assert!(said.contains("main.main"), "{said}");
    Ok(())
}
