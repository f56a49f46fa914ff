//! What every command has around it: progress, signals, a bar, an output.

use std::sync::Arc;

use mapscope_target::Progress;

use crate::args::OutputArgs;
use crate::bar::Bar;
use crate::exit::Outcome;
use crate::output::Output;
use crate::render::Renderer;
use crate::signals;

/// One run of one command.
pub(crate) struct Session {
    /// Counts the work; cancelled by a signal.
    pub(crate) progress: Arc<Progress>,
    bar: Option<Bar>,
    output: OutputArgs,
}

impl Session {
    /// Begins a run: from here on a signal cancels the work instead of ending the process.
    pub(crate) fn start(output: &OutputArgs) -> anyhow::Result<Session> {
        let progress = Arc::new(Progress::default());
        signals::watch(Arc::clone(&progress))?;
        let bar = Bar::start(Arc::clone(&progress));
        Ok(Session { progress, bar, output: output.clone() })
    }

    /// Opens the output, lets `emit` write its report there, and says how that ended. Called when
    /// there is something to say, so that a target that cannot be opened leaves no empty file.
    pub(crate) fn report(
        &self,
        emit: impl FnOnce(&mut Renderer) -> anyhow::Result<()>,
    ) -> anyhow::Result<Outcome> {
        let output = Output::open(self.output.output.as_deref(), self.bar.as_ref())?;
        let broken = output.broken();
        let mut renderer = Renderer::new(self.output.format, self.output.wide, output);
        let result = emit(&mut renderer).map(|()| renderer.outcome());
        if let Some(bar) = &self.bar {
            bar.clear();
        }
        broken.judge(result)
    }
}
