//! The tools a user would use instead, at their newest releases.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow, bail};

use super::options::Options;
use crate::pins::{PINS, Pin};
use crate::process::{exists, quiet};
use crate::toolchains::{go, install};

/// The release the peers are built with: the newest that all of them build with.
const BUILT_WITH: &str = "1.26";

/// A peer written in Go.
struct Peer {
    name: &'static str,
    package: &'static str,
    flags: &'static [&'static str],
}

const PEERS: [Peer; 3] = [
    Peer { name: "dlv", package: "github.com/go-delve/delve/cmd/dlv", flags: &[] },
    Peer {
        name: "grf",
        package: "github.com/cloudwego/goref/cmd/grf",
        // It links to names of the runtime that Go 1.23 and later keep for themselves.
        flags: &["-ldflags=-checklinkname=0"],
    },
    Peer { name: "viewcore", package: "golang.org/x/debug/cmd/viewcore", flags: &[] },
];

/// A tool that is there, or why it is not.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) exe: Result<PathBuf>,
    /// As it, or its build info, states it.
    pub(crate) version: String,
}

/// All peers that are asked for: from where they were built before, else installed into `dir`.
pub(crate) fn all(options: &Options, dir: &Path) -> Vec<Tool> {
    let given = options.peers.as_deref();
    let wanted = |name: &str| !options.without.iter().any(|other| other == name);
    let peers = PEERS.iter().filter(|peer| wanted(peer.name));
    let mut tools: Vec<Tool> = peers.map(|peer| tool(peer, given, dir)).collect();
    if wanted("gdb") {
        tools.push(gdb());
    }
    tools
}

fn gdb() -> Tool {
    let found = exists("gdb", "--version");
    let version = quiet(Command::new("gdb").arg("--version")).unwrap_or_default();
    Tool {
        name: "gdb",
        exe: if found { Ok("gdb".into()) } else { Err(anyhow!("gdb is not installed")) },
        version: version.lines().next().unwrap_or_default().to_owned(),
    }
}

fn tool(peer: &Peer, given: Option<&Path>, dir: &Path) -> Tool {
    let ready = given.map(|dir| dir.join(peer.name)).filter(|exe| exe.exists());
    let exe = match ready {
        Some(exe) => Ok(exe),
        None => install_newest(peer, dir),
    };
    let version = exe.as_ref().map_or_else(|_| String::new(), |exe| version(exe));
    Tool { name: peer.name, exe, version }
}

fn install_newest(peer: &Peer, dir: &Path) -> Result<PathBuf> {
    eprintln!("installing {}", peer.package);
    let pin = pin(BUILT_WITH)?;
    let mut go = go(&install(pin)?);
    go.env_remove("GOPROXY").env("GOBIN", dir).env("CGO_ENABLED", "0");
    go.arg("install").args(peer.flags).arg(format!("{}@latest", peer.package));
    match quiet(&mut go) {
        Ok(_) => Ok(dir.join(peer.name)),
        Err(error) => bail!("{} cannot be installed: {}", peer.package, reason(&error)),
    }
}

/// The go command's last line without the address it speaks of.
fn reason(error: &anyhow::Error) -> String {
    let text = error.to_string();
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let words = line.split_whitespace().filter(|word| !word.contains("://"));
    words.collect::<Vec<_>>().join(" ")
}

/// The pinned release of this name.
pub(crate) fn pin(wanted: &str) -> Result<&'static Pin> {
    let found = PINS.iter().find(|pin| pin.is(wanted));
    found.ok_or_else(|| anyhow!("no pinned release {wanted}"))
}

/// The main module's version as the build info has it.
fn version(exe: &Path) -> String {
    let info = || -> Result<String> {
        quiet(
            go(&install(pin(BUILT_WITH)?)?)
                .args([OsStr::new("version"), OsStr::new("-m")])
                .arg(exe),
        )
    };
    let info = info().unwrap_or_default();
    let mut words = info.lines().filter_map(|line| line.trim().strip_prefix("mod\t"));
    let stated = words.next().unwrap_or_default();
    stated.split('\t').take(2).collect::<Vec<_>>().join(" ")
}
