//! `inject`: a program that lives dies of what was written, and `autopsy` of its words names it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::{compiled, run};

const SOURCE: &str = r#"package main

import (
	"fmt"
	"time"
)

// Server has a map that is written to.
type Server struct {
	name string
	hits map[string]int
}

var server = &Server{name: "server", hits: map[string]int{}}

//go:noinline
func (s *Server) hit(key string) {
	s.hits[key]++
}

func main() {
	for i := 0; i < 100; i++ {
		server.hit(fmt.Sprint(i))
	}
	fmt.Println("READY")
	for {
		time.Sleep(2 * time.Second)
		server.hit("key")
	}
}
"#;

/// The program, which hits its map every two seconds.
fn program(test: &str) -> Option<PathBuf> {
    compiled(test, SOURCE, "")
}

/// It runs, and is killed when it is dropped.
struct Server(Child);

impl Server {
    fn start(program: &Path) -> Server {
        let mut command = Command::new(program);
        command.env("GOTRACEBACK", "single").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line, "READY\n");
        Server(child)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// What it writes as it dies.
    fn dies(&mut self) -> String {
        let mut said = String::new();
        self.0.stderr.as_mut().expect("piped").read_to_string(&mut said).expect("UTF-8");
        assert_eq!(self.0.wait().expect("it ends").code(), Some(2), "{said}");
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have died, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn explained(program: &Path, said: &str) -> serde_json::Value {
    let log = program.with_extension("log");
    fs::write(&log, said).expect("room");
    let words = ["autopsy".as_ref(), log.as_os_str(), "--exe".as_ref(), program.as_os_str()];
    let report = run(words.into_iter().chain(["--format".as_ref(), "json".as_ref()]));
    assert_eq!(report.code, Some(1), "{}\n{said}", report.stderr);
    serde_json::from_str(&report.stdout).expect("JSON")
}

const SURE: &str = "--i-know-this-kills";

/// Without names of variables a path still names its map, but not the field that holds it.
#[test]
fn nil_of_a_path_without_names() {
    const NAME: &str = "nil_of_a_path_without_names";
    let Some(program) = compiled(NAME, SOURCE, "-s -w") else { return };
    let mut server = Server::start(&program);
    let pid = server.pid();
    let listed = run(["ls", &pid, "--type", r"^map\[string\]int$", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let path = listed["maps"][0]["path"].as_str().expect("a path");
    run(["inject", &pid, path, "--nil", SURE])
        .fails("where the pointer to this map lies is not known");
    run(["inject", &pid, "main.server.hits", "--nil", SURE]).fails("variables have no names");
    let marked = run(["inject", &pid, path, SURE]);
    assert_eq!(marked.code, Some(0), "{}", marked.stderr);
    assert!(server.dies().contains("concurrent map"));
}

#[test]
fn the_write_mark() {
    let Some(program) = program("the_write_mark") else { return };
    let mut server = Server::start(&program);
    run(["inject", &server.pid(), "main.server.hits"]).fails("nothing was written");
    let injected = run(["inject", &server.pid(), "main.server.hits", SURE, "--format", "json"]);
    assert_eq!(injected.code, Some(0), "{}", injected.stderr);
    let injected: serde_json::Value = serde_json::from_str(&injected.stdout).expect("JSON");
    assert_eq!(injected["injected"]["type"], "map[string]int");
    let report = explained(&program, &server.dies());
    // An increment looks the elem up before it writes it, or not, by release.
    assert!(report["crash"]["kind"].as_str().expect("a kind").starts_with("concurrent map "));
    assert_eq!(report["operation"]["map"], "s.hits");
}

#[test]
fn nil() {
    let Some(program) = program("nil") else { return };
    let mut server = Server::start(&program);
    let injected = run(["inject", &server.pid(), "main.server.hits", "--nil", SURE]);
    assert_eq!(injected.code, Some(0), "{}", injected.stderr);
    let report = explained(&program, &server.dies());
    assert_eq!(report["crash"]["kind"], "nil map write");
    assert_eq!(report["nil"]["expression"], "s.hits");
}

/// It goes on as if nothing had been; the mark is there for less time than passes between two hits
/// most times, and a run that dies all the same is tried again.
#[test]
fn what_is_taken_back() {
    let Some(program) = program("what_is_taken_back") else { return };
    let taken = (0..5).any(|_| {
        let server = Server::start(&program);
        let restore = ["inject", &server.pid(), "main.server.hits", "--restore", "10ms", SURE];
        let injected = run(restore);
        assert_eq!(injected.code, Some(0), "{}", injected.stderr);
        let list = run(["ls", &server.pid(), "--where", "path == \"main.server.hits\""]);
        injected.stdout.contains("yes") && list.code == Some(0)
    });
    assert!(taken);
}

#[test]
fn what_cannot_be_written() {
    let Some(program) = program("what_cannot_be_written") else { return };
    let server = Server::start(&program);
    run(["inject", &server.pid(), "main.server.none", SURE]).fails("has no field none");
    run(["inject", &server.pid(), "main.server.name", "--nil", SURE]).fails("it is no map");
    run(["inject", &server.pid(), "0x10", "--nil", SURE]).fails("named by an expression");
    run(["inject", program.to_str().expect("UTF-8"), "main.x", SURE])
        .fails("writes to a live process");
}
