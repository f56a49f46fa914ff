//! Where a report goes.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::bar::Bar;
use crate::behind::{Behind, To};
use crate::failure::Failure;

/// Stdout or a file. It remembers the error that ended it, whoever passes that on in what form.
pub(crate) struct Output {
    to: Behind,
    bar: Option<Bar>,
    broken: Broken,
}

/// The error that an [`Output`] ended with.
#[derive(Clone, Default)]
pub(crate) struct Broken {
    error: Arc<Mutex<Option<io::Error>>>,
    path: Option<PathBuf>,
}

impl Output {
    /// Opens `path`, or stdout where there is none. A bar is cleared before the first byte goes
    /// to a terminal.
    pub(crate) fn open(path: Option<&Path>, bar: Option<&Bar>) -> anyhow::Result<Output> {
        let broken = Broken { error: Arc::default(), path: path.map(Path::to_owned) };
        let Some(path) = path else {
            let stdout = io::stdout();
            let bar = bar.filter(|_| stdout.is_terminal()).map(Bar::share);
            // The renderers buffer; stdout's own line buffer would only cost time.
            let to: To = match own_stdout() {
                Some(file) => Box::new(file),
                None => Box::new(stdout),
            };
            return Ok(Output { to: Behind::new(to), bar, broken });
        };
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Output { to: Behind::new(Box::new(file)), bar: None, broken })
    }

    /// A hand on the error that ends it, if one does.
    pub(crate) fn broken(&self) -> Broken {
        self.broken.clone()
    }

    fn remember(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        let mut kept = self.broken.error.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert(error);
        kind.into()
    }
}

/// Stdout without a buffer.
fn own_stdout() -> Option<File> {
    use std::os::fd::AsFd;
    io::stdout().as_fd().try_clone_to_owned().ok().map(File::from)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(bar) = self.bar.take() {
            bar.clear();
        }
        match self.to.write(bytes) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            result => result.map_err(|e| self.remember(e)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush().map_err(|e| self.remember(e))
    }
}

impl Broken {
    /// What became of `result` in the light of how the output ended: who closes a pipe has read
    /// enough, and any other error of the output is what the user has to know.
    pub(crate) fn judge<T: Default>(&self, result: anyhow::Result<T>) -> anyhow::Result<T> {
        let kept = self.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(error) = kept else { return result };
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Ok(T::default());
        }
        let to = self.path.as_ref().map_or("stdout".into(), |p| p.display().to_string());
        let failure = Failure::new(format!("cannot write to {to}: {error}"));
        Err(match self.path {
            Some(_) => failure.hint("the file holds the report up to there and is kept"),
            None => failure,
        }
        .into())
    }
}
