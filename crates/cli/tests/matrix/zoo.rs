//! The zoo: a Go program that knows the truth about its own maps.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;

use crate::fixtures;

/// A built fixture of one release, experiment and mode.
#[derive(Clone)]
pub(crate) struct Variant {
    /// `1.24.11-noswissmap-exe`.
    pub(crate) name: String,
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// What was stripped off its zoo: `-w` for DWARF, `-s` for the symbols too.
    pub(crate) strip: &'static str,
}

impl Variant {
    /// Every variant that was built, or why there is none.
    pub(crate) fn all() -> Result<Vec<Variant>, String> {
        let named = fixtures::builds()?.into_iter().map(|dir| Variant {
            name: dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            dir,
            strip: "",
        });
        let variants: Vec<Variant> = named.filter(|variant| variant.zoo().exists()).collect();
        match variants.is_empty() {
            true => Err("no fixture has a zoo: run cargo xtask fixtures".into()),
            false => Ok(variants),
        }
    }

    /// The program.
    pub(crate) fn zoo(&self) -> PathBuf {
        self.dir.join(format!("zoo{}", self.strip))
    }

    /// The program that has odd maps, stripped or not, where it was built.
    pub(crate) fn odd(&self) -> Option<PathBuf> {
        let odd = self.dir.join(format!("odd{}", self.strip));
        odd.exists().then_some(odd)
    }

    /// The program that keeps its maps as programs do, stripped or not, where it was built.
    pub(crate) fn holders(&self) -> Option<PathBuf> {
        let holders = self.dir.join(format!("holders{}", self.strip));
        holders.exists().then_some(holders)
    }

    /// The same program stripped, where it was built so.
    pub(crate) fn stripped(&self, strip: &'static str) -> Option<Variant> {
        let name = format!("{}{strip}", self.name);
        Some(Variant { name, dir: self.dir.clone(), strip }).filter(|v| v.zoo().exists())
    }
}

/// A zoo that has told its truth and waits. Dropped, it ends.
pub(crate) struct Zoo {
    child: Child,
    // Its end is the zoo's sign to exit.
    _stdin: Option<ChildStdin>,
    /// What it said of itself.
    pub(crate) truth: Value,
}

impl Zoo {
    /// Starts the zoo to go on changing other maps while it waits.
    pub(crate) fn serving(variant: &Variant) -> Zoo {
        let mut command = Command::new(variant.zoo());
        command.arg("serve").stderr(Stdio::inherit());
        Zoo::start(command)
    }

    /// Starts the zoo to do nothing more.
    pub(crate) fn waiting(variant: &Variant) -> Zoo {
        let mut command = Command::new(variant.zoo());
        command.stderr(Stdio::inherit());
        Zoo::start(command)
    }

    /// Starts the program that has odd maps, in this mode.
    pub(crate) fn odd(exe: &Path, mode: &str) -> Zoo {
        let mut command = Command::new(exe);
        command.arg(mode).stderr(Stdio::inherit());
        Zoo::start(command)
    }

    /// Starts the program that keeps its maps as programs do.
    pub(crate) fn holders(exe: &Path) -> Zoo {
        let mut command = Command::new(exe);
        command.stderr(Stdio::inherit());
        Zoo::start(command)
    }

    fn start(mut command: Command) -> Zoo {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the zoo starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut line = || lines.next().expect("the zoo lives").expect("the zoo speaks UTF-8");
        let truth = serde_json::from_str(&line()).expect("the zoo speaks JSON");
        assert_eq!(line(), "READY");
        Zoo { _stdin: child.stdin.take(), child, truth }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Zoo {
    fn drop(&mut self) {
        // It may have died by itself, as a core dumper does.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets a zoo crash in `dir`: its truth, and the core that the kernel wrote of it.
pub(crate) fn crashed(variant: &Variant, dir: &Path) -> (Value, PathBuf) {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited && exec \"$0\" crash"]).arg(variant.zoo());
    command.current_dir(dir).env("GOTRACEBACK", "crash");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("sh starts");
    let mut stderr = child.stderr.take().expect("a pipe");
    let trace = std::thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).map(|_| text)
    });
    let mut out = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("the zoo speaks UTF-8");
    child.wait().expect("the zoo ends");
    trace.join().expect("no panic").expect("its trace can be read");
    let truth = out.lines().next().and_then(|line| serde_json::from_str(line).ok());
    let core = dir
        .read_dir()
        .expect("a directory")
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().starts_with("core"));
    (truth.expect("the zoo speaks JSON"), core.expect("the kernel wrote a core").path())
}

/// Why the kernel writes no core that a test can find.
pub(crate) fn no_kernel_core() -> Option<String> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    let pattern = pattern.trim();
    let found = pattern.starts_with("core") && !pattern.contains('/');
    (!found).then(|| format!("kernel.core_pattern is `{pattern}`, not `core`"))
}

/// Lets gcore write a core of `zoo` into `dir`, with file-backed pages or without.
pub(crate) fn gcore(zoo: &Zoo, dir: &Path, file_pages: bool) -> PathBuf {
    // Bits of core(5): 0x33 is the default, 0x0c adds the pages of files.
    let filter = if file_pages { "0x3f" } else { "0x33" };
    std::fs::write(format!("/proc/{}/coredump_filter", zoo.pid()), filter).expect("may be set");
    let output = Command::new("gcore")
        .arg("-o")
        .arg(dir.join("gcore"))
        .arg(zoo.pid().to_string())
        .stdin(Stdio::null())
        .output()
        .expect("gcore starts (it comes with gdb)");
    let core = dir.join(format!("gcore.{}", zoo.pid()));
    assert!(core.exists(), "gcore: {}", String::from_utf8_lossy(&output.stderr));
    core
}
