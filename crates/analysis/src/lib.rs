//! One file per question: what is asked of a Go process, answered as a report.
//!
//! An analysis prints nothing, opens nothing and knows no Go release: it reads a
//! [`mapscope_runtime::Go`] and emits to a [`mapscope_report::Sink`].

mod autopsy;
mod chosen;
mod entries;
mod error;
mod frame;
mod get;
mod goroutines;
mod inject;
mod inside;
mod likely;
mod ls;
mod show;
mod verify;

pub use autopsy::{Autopsy, Brief, Fit, LogAutopsy, MAX_LISTED, Sources, fit, placed};
pub use entries::Entries;
pub use error::Error;
pub use get::Get;
pub use goroutines::{GoroutineCondition, GoroutineRow, Goroutines};
pub use inject::Injection;
pub use likely::Likely;
pub use ls::{By, Condition, Ls, MapRow, Order, SortKey};
pub use show::Show;
pub use verify::Verify;

use mapscope_report::Sink;
use mapscope_runtime::Go;

/// A question that can be asked of a Go process.
pub trait Analysis {
    /// The command that asks it: `ls`.
    fn name(&self) -> &'static str;

    /// What it answers, in a line.
    fn about(&self) -> &'static str;

    /// Answers it.
    ///
    /// # Errors
    ///
    /// What was asked for does not exist, or the sink takes no more. What merely cannot be read is
    /// no error: it is said in the report.
    fn run(&self, go: &Go<'_>, sink: &mut dyn Sink) -> Result<(), Error>;
}
