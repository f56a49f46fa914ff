//! Nil maps that no expression names: how they came to be is told, and nothing is made up.

use std::process::{Command, Stdio};

use crate::common::{compiled, run};

const SOURCE: &str = r#"package main

import "os"

type record struct {
	a, b, c int
	m       map[string]int
}

//go:noinline
func receive(c chan map[string]int) { (<-c)["key"] = 1 }

//go:noinline
func choose(c chan map[string]int, done chan bool) {
	select {
	case m := <-c:
		m["key"] = 1
	case <-done:
	}
}

//go:noinline
func parameter(n int, m map[string]int) { m["key"] = n }

//go:noinline
func made(n int) record { return record{a: n} }

func main() {
	c := make(chan map[string]int, 1)
	c <- nil
	switch os.Args[1] {
	case "receive":
		receive(c)
	case "choose":
		choose(c, make(chan bool))
	case "parameter":
		parameter(len(os.Args), nil)
	case "result":
		made(len(os.Args)).m["key"] = 1
	}
}
"#;

#[test]
fn what_is_not_named_is_explained() {
    const NAME: &str = "what_is_not_named_is_explained";
    let Some(program) = compiled(NAME, SOURCE, "-s -w") else { return };
    for (way, how) in [
        ("receive", "received from a channel"),
        ("choose", "received from a channel"),
        ("parameter", "the function was called with it"),
        ("result", "another function returned it"),
    ] {
        let mut command = Command::new(&program);
        command.arg(way).env("GOTRACEBACK", "single").stdin(Stdio::null());
        let said = command.output().expect("it starts").stderr;
        let log = program.with_extension(way);
        std::fs::write(&log, said).expect("room");
        let words = ["autopsy".as_ref(), log.as_os_str(), "--exe".as_ref(), program.as_os_str()];
        let report = run(words.into_iter().chain(["--format".as_ref(), "json".as_ref()]));
        assert_eq!(report.code, Some(1), "{}", report.stderr);
        let json: serde_json::Value = serde_json::from_str(&report.stdout).expect("JSON");
        assert_eq!(json["nil"]["expression"], serde_json::Value::Null, "{way}: {json}");
        assert!(report.stdout.contains(how), "{way}: {json}");
    }
}
