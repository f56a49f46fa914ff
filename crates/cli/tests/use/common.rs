//! Running mapscope, and what it is run on.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a run of mapscope left.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// mapscope, ready to be given arguments. Its address space is limited to 4 GiB and its time to
/// two minutes: bad input must cost neither.
pub(crate) fn mapscope() -> Command {
    let mut command = Command::new("sh");
    let limited = "ulimit -v 4194304 && exec timeout 120 \"$0\" \"$@\"";
    command.args(["-c", limited, env!("CARGO_BIN_EXE_mapscope")]).stdin(Stdio::null());
    command
}

/// Runs mapscope.
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    finish(mapscope().args(args))
}

/// Copies an executable, by a process of its own: what another test forks meanwhile has our files open
/// for a moment, and the kernel executes none that is open for writing.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("cp starts");
    assert!(status.success(), "a copy");
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Run {
    let output = command.output().expect("it starts");
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

impl Run {
    /// It failed, with this on stderr and nothing on stdout.
    #[track_caller]
    pub(crate) fn fails(&self, message: &str) {
        assert_eq!(self.code, Some(2), "{}", self.stderr);
        assert!(self.stderr.contains(message), "wanted `{message}` in:\n{}", self.stderr);
        assert_eq!(self.stdout, "");
    }
}

/// Says that a test did not run and why; fails instead where nothing may be skipped.
pub(crate) fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} cannot run: {why}");
    // Not `eprintln`, which the test harness captures.
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED {test}: {why}");
}

/// A zoo that was built, of the newest release that is there.
pub(crate) fn zoo(test: &str) -> Option<PathBuf> {
    built(test, "zoo")
}

/// A program that was built, of the newest release that is there.
pub(crate) fn built(test: &str, program: &str) -> Option<PathBuf> {
    let built = std::env::var_os("MAPSCOPE_FIXTURES").map(PathBuf::from);
    let mut found: Vec<PathBuf> = built
        .and_then(|dir| dir.read_dir().ok())
        .into_iter()
        .flatten()
        .filter_map(|variant| Some(variant.ok()?.path()))
        .filter(|dir| dir.file_name().is_some_and(|n| n.to_string_lossy().ends_with("-exe")))
        .map(|dir| dir.join(program))
        .filter(|program| program.is_file())
        .collect();
    found.sort();
    if found.is_empty() {
        skip(test, "no fixtures: run cargo xtask fixtures, and set MAPSCOPE_FIXTURES");
    }
    found.pop()
}

/// A program of one file, built by the pinned Go with these flags of the linker.
pub(crate) fn compiled(test: &str, source: &str, ldflags: &str) -> Option<PathBuf> {
    let go = std::env::var_os("MAPSCOPE_GO").map(PathBuf::from).filter(|go| go.is_file());
    let Some(go) = go else {
        skip(test, "no Go: cargo xtask test sets MAPSCOPE_GO");
        return None;
    };
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("main.go"), source).expect("room");
    std::fs::write(dir.join("go.mod"), "module program\n\ngo 1.19\n").expect("room");
    let mut build = Command::new(go);
    build
        .args(["build", "-ldflags", ldflags, "-o", "program", "."])
        .current_dir(&dir)
        .env("GOTOOLCHAIN", "local");
    let built =
        build.env("GOCACHE", dir.join("cache")).env("GOFLAGS", "").output().expect("Go starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(dir.join("program"))
}

/// A zoo that runs, and has told its truth. Dropped, it is killed.
pub(crate) struct Zoo {
    child: Child,
    pub(crate) truth: serde_json::Value,
}

impl Zoo {
    /// Starts one.
    pub(crate) fn start(test: &str) -> Option<Zoo> {
        let mut command = Command::new(zoo(test)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Some(Zoo::of(command.spawn().expect("the zoo starts")))
    }

    /// Waits until it is ready.
    pub(crate) fn of(mut child: Child) -> Zoo {
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut line = || lines.next().expect("the zoo lives").expect("the zoo speaks UTF-8");
        let truth = serde_json::from_str(&line()).expect("the zoo speaks JSON");
        assert_eq!(line(), "READY");
        Zoo { child, truth }
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Asks it to exit: whether it still could.
    pub(crate) fn ends_well(mut self) -> bool {
        drop(self.child.stdin.take());
        self.child.wait().expect("it ends").success()
    }
}

impl Drop for Zoo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory that is removed with what is in it.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new(test: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("mapscope-use-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Dir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The first 64 bytes of an x86-64 ELF file of this type (2 is an executable, 4 a core).
pub(crate) fn elf_head(kind: u8) -> Vec<u8> {
    let mut head = vec![0; 64];
    head[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    head[16] = kind;
    head[18] = 62;
    head[20] = 1;
    head[52] = 64;
    head[54] = 56;
    head[58] = 64;
    head
}
