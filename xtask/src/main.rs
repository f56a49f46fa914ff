//! Whatever a developer of mapscope repeats: `cargo xtask TASK`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

mod armed;
mod bench;
mod bpf;
mod cache;
mod caught;
mod cores;
mod deaths;
mod demo;
mod fixtures;
mod fuzz;
mod layouts;
mod pins;
mod place;
mod process;
mod recordings;
mod soak;
mod stripped;
mod test;
mod toolchains;
mod variants;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask TASK

  toolchains [--only RELEASE]   fetch, verify and unpack the pinned Go toolchains
  fixtures   [--only RELEASE]   build the fixture programs with them
  layouts    [--only RELEASE]   make the tables of layouts/ anew, from builds with DWARF
  bpf                           build the BPF object of crates/probe anew, with clang
  test                          everything a change must pass: format, lints, licences,
                                toolchains, fixtures, all tests, the score without DWARF of some
                                releases, a short soak, ten seconds a fuzz target
  fuzz [--seconds N] [TARGET..] run the fuzz targets, or some of them, for N seconds each

  bench [--scale N] [--rows ls,entries,live,ballast] [--go RELEASE,..] [--runs N]
        [--keep DIR] [--peers DIR] [--without PEER,..] [--mapscope FILE] [--name NAME]
                                mapscope and its peers side by side: bench/results/NAME.md

  recordings [--only RELEASE]   record what every analysis reads of fixtures/pond: recordings/,
                                and what autopsy reads of cores of fixtures/deaths; with
                                --deaths instead of a release only that

  stripped [--only RELEASE]     score how well types are told without DWARF: docs/stripped.md

  crash-zoo                     score what is said of programs that died: docs/crash-zoo.md

  soak [--cycles N] [--go RELEASE] [--mapscope FILE] [--target FILE]
                                attach to a program that checks itself and detach, 10,000 times,
                                by two at once that are killed at random moments

  caught [--runs N] [--go RELEASE]
                                how often catch proves who the other goroutine of a race was

  armed [--rounds N] [--go RELEASE] [--mapscope FILE] [--delve FILE]
                                what catch costs a program until it dies, and how long it stands
                                still then: bench/results/catch.md

  demo-sample                   build the sample of `mapscope demo` anew: samples/demo

RELEASE is the beginning of a version: 1.23, or 1.23.9.
The cache is $MAPSCOPE_CACHE, else $XDG_CACHE_HOME/mapscope, else ~/.cache/mapscope.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["toolchains"] => toolchains::all(""),
        ["toolchains", "--only", release] => toolchains::all(release),
        ["fixtures"] => fixtures::all("").map(drop),
        ["fixtures", "--only", release] => fixtures::all(release).map(drop),
        ["fuzz", ref rest @ ..] => fuzz::all(rest),
        ["recordings"] => recordings::all(""),
        ["recordings", "--only", release] => recordings::all(release),
        ["recordings", "--deaths"] => deaths::all(""),
        ["bench", ref rest @ ..] => bench::all(rest),
        ["layouts"] => layouts::all(""),
        ["layouts", "--only", release] => layouts::all(release),
        ["stripped"] => stripped::all(""),
        ["stripped", "--only", release] => stripped::all(release),
        ["crash-zoo"] => test::crash_zoo(),
        ["bpf"] => bpf::build(),
        ["armed", ref rest @ ..] => armed::all(rest),
        ["caught", ref rest @ ..] => caught::all(rest),
        ["demo-sample"] => demo::sample(),
        ["soak", ref rest @ ..] => soak::run(rest),
        ["soak-cycle", pid] => soak::cycle(pid),
        ["test"] => test::all(),
        [] | ["help" | "-h" | "--help"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("cannot make sense of `{}`\n{USAGE}", words.join(" ")),
    }
}
