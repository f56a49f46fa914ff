//! Ctrl-C and its like: the first asks the work to stop and say what it has, the second ends it.

use std::io;
use std::sync::Arc;

use mapscope_target::Progress;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Watches for signals from now on, in a thread of its own.
///
/// Ending at once is safe for a target that we hold: the kernel lets go of every thread that a
/// tracer held when the tracer ends.
pub(crate) fn watch(progress: Arc<Progress>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if progress.cancelled() {
                // The shell's convention: 128 and the signal's number.
                std::process::exit(128 + signal);
            }
            progress.cancel();
        }
    })?;
    Ok(())
}
