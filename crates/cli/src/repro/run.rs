//! Building a program with the user's Go, and running it.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use mapscope_runtime::crash::text::{Route, Scanner};

use super::Recipe;
use crate::failure::Failure;

/// A program that has not ended by then is killed: each ends by itself in some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The user's Go.
pub(crate) struct Go {
    command: PathBuf,
    /// Its release, as it states it: `go1.26.6`.
    pub(crate) version: String,
}

impl Go {
    /// The one that is named, else that of `PATH`.
    pub(crate) fn find(named: Option<&Path>) -> Result<Go, Failure> {
        let command = named.map_or_else(|| PathBuf::from("go"), Path::to_path_buf);
        let shown = command.display();
        let missing = |why: String| {
            Failure::new(format!("--run builds the program, which needs Go: {why}"))
                .hint("install it from https://go.dev/dl, or name it with --go FILE")
        };
        let output = Command::new(&command).args(["env", "GOVERSION"]).output();
        match output {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(missing(format!("there is no {shown}")))
            }
            Err(error) => Err(missing(format!("{shown} does not start: {error}"))),
            Ok(output) if !output.status.success() => {
                Err(missing(format!("{shown} env GOVERSION fails")))
            }
            Ok(output) => {
                let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                Ok(Go { command, version })
            }
        }
    }

    /// Builds the program in `dir`, which has its files.
    pub(crate) fn build(&self, dir: &Path) -> anyhow::Result<Built> {
        let mut command = Command::new(&self.command);
        command.args(["build", "-o", "repro", "."]).current_dir(dir).env("GOWORK", "off");
        let output = command.output().context("go build does not start")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(format!("go build fails: {}", said.trim())).into());
        }
        Ok(Built { dir: dir.to_path_buf() })
    }
}

/// A program that is built.
pub(crate) struct Built {
    dir: PathBuf,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// What it wrote first of a death; `None` where it wrote nothing of one.
    pub(crate) text: Option<String>,
    /// Its exit code; `None` where a signal ended it.
    pub(crate) exit: Option<i32>,
}

impl Built {
    /// Runs it once; `None` where `cancelled` said so before it ended.
    pub(crate) fn run(&self, cancelled: &dyn Fn() -> bool) -> anyhow::Result<Option<Ending>> {
        let [said, told] = ["stderr", "stdout"].map(|name| self.dir.join(name));
        let mut command = Command::new(self.dir.join("repro"));
        // A core of each run is not what was asked for.
        command.env("GOTRACEBACK", "single").stdin(Stdio::null()).current_dir(&self.dir);
        command.stdout(File::create(&told)?).stderr(File::create(&said)?);
        let mut child = command.spawn().context("the program does not start")?;
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if cancelled() || Instant::now() > end {
                child.kill()?;
                child.wait()?;
                if cancelled() {
                    return Ok(None);
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let text = match status.success() {
            true => fs::read_to_string(&told)?.lines().next().map(str::to_owned),
            false => words(&said)?,
        };
        Ok(Some(Ending { text, exit: status.code() }))
    }
}

impl Recipe {
    /// Writes its files to `dir`.
    pub(crate) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        for (name, text) in [("main.go", self.source), ("go.mod", &self.module())] {
            let path = dir.join(name);
            if fs::read(&path).is_ok_and(|there| there != text.as_bytes()) {
                return Err(Failure::new(format!("{} is there, and is another", path.display()))
                    .hint("name another directory with -o DIR")
                    .into());
            }
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// What a program said it died of.
fn words(stderr: &Path) -> anyhow::Result<Option<String>> {
    let mut said = None;
    let mut log = BufReader::new(File::open(stderr)?);
    Scanner::new()?.read(&mut log, &mut |_| true, &mut |text| {
        let words = text.chain.first().map(|first| match first.route {
            Route::Fatal => format!("fatal error: {}", first.text),
            _ => format!("panic: {}", first.text),
        });
        said = said.take().or(words);
    })?;
    Ok(said)
}
