//! A bar for work that takes long, on a terminal only.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use mapscope_target::Progress;

/// How long work may take before there is a bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is drawn.
const EVERY: Duration = Duration::from_millis(100);
/// How many characters wide it is.
const CELLS: u64 = 24;

/// The bar on stderr. Dropping it clears it.
pub(crate) struct Bar {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    stopped: Condvar,
}

#[derive(Default)]
struct State {
    stop: bool,
    drawn: bool,
}

impl Bar {
    /// Draws `progress` once it has taken a second. `None` where stderr is no terminal.
    pub(crate) fn start(progress: Arc<Progress>) -> Option<Bar> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("bar".into());
        thread.spawn(move || draw(&theirs, &progress)).ok()?;
        Some(Bar { shared })
    }

    /// Another hand on the same bar, for who has to clear it before writing to the terminal.
    pub(crate) fn share(&self) -> Bar {
        Bar { shared: Arc::clone(&self.shared) }
    }

    /// Clears the bar for good. When this returns nothing more is drawn.
    pub(crate) fn clear(&self) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.drawn) {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
        state.stop = true;
        self.shared.stopped.notify_all();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

fn draw(shared: &Shared, progress: &Progress) {
    let mut wait = PATIENCE;
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let waited = shared.stopped.wait_timeout_while(state, wait, |state| !state.stop);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.stop {
            return;
        }
        let (stage, done, total) = progress.now();
        state.drawn |= io::stderr().write_all(line(stage, done, total).as_bytes()).is_ok();
        wait = EVERY;
    }
}

/// The line that takes the place of the one before.
fn line(stage: &str, done: u64, total: u64) -> String {
    let mut line = format!("\r\x1b[K{stage}");
    // `fmt::Write` to a String does not fail.
    if total > 0 {
        let part =
            |of: u64| (u128::from(done.min(total)) * u128::from(of) / u128::from(total)) as u64;
        let full = part(CELLS);
        let (full, rest) = (full as usize, (CELLS - full) as usize);
        let _ = write!(line, " [{}{}] {:3}%", "#".repeat(full), ".".repeat(rest), part(100));
    } else if done > 0 {
        let _ = write!(line, " {done}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_the_share_that_is_done() {
        assert_eq!(line("spans", 1, 2), "\r\x1b[Kspans [############............]  50%");
        assert_eq!(line("spans", 9, 2), "\r\x1b[Kspans [########################] 100%");
        assert_eq!(line("objects", 7, 0), "\r\x1b[Kobjects 7");
        assert_eq!(line("spans", u64::MAX, u64::MAX).matches('#').count(), 24);
    }
}
