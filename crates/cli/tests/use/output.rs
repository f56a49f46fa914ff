//! Outputs that take no more.

use std::process::Stdio;

use crate::common::{Dir, finish, mapscope, run};

#[test]
fn a_full_disk() {
    for format in ["text", "json", "ndjson", "csv"] {
        let run = run(["doctor", "--format", format, "-o", "/dev/full"]);
        run.fails("mapscope: cannot write to /dev/full: No space left on device");
    }
    let full = std::fs::File::create("/dev/full").expect("/dev/full");
    let run = finish(mapscope().arg("doctor").stdout(Stdio::from(full)));
    run.fails("mapscope: cannot write to stdout: No space left on device");
}

#[test]
fn a_file_that_cannot_be_made() {
    let dir = Dir::new("output");
    let path = dir.path().join("none/report");
    run(["doctor", "-o", path.to_str().expect("UTF-8")]).fails("mapscope: cannot create ");
}

#[test]
fn a_report_goes_to_a_file() {
    let dir = Dir::new("report");
    let path = dir.path().join("report.json");
    let run = run(["doctor", "--format", "json", "-o", path.to_str().expect("UTF-8")]);
    assert!(matches!(run.code, Some(0 | 1)));
    assert_eq!(run.stdout, "");
    let bytes = std::fs::read(path).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(report["schema"], "mapscope.doctor/1");
}

#[test]
fn a_pipe_that_is_closed() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let run = finish(mapscope().arg("doctor").stdout(Stdio::from(writer)));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.stderr, "");
}
