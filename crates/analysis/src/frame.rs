//! What every analysis over maps has in common: the report's frame.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use mapscope_report::{Head, Note, Sink, Tail};
use mapscope_runtime::Go;

/// The head of a report of `command`.
pub(crate) fn head(go: &Go<'_>, command: &str) -> Head {
    Head {
        command: command.to_owned(),
        schema: format!("mapscope.{command}/1"),
        target: go.describe(),
    }
}

/// How long the target was held that was let go before all had been read.
pub(crate) fn held(go: &Go<'_>) -> String {
    let ms = go.pause().unwrap_or_default().as_secs_f64() * 1e3;
    format!("the target was let go after {ms:.0} ms, as long as it may be held (--max-pause)")
}

/// Which pause would have been long enough, as far as that can be told.
fn enough(go: &Go<'_>) -> String {
    go.target.enough().map_or_else(String::new, |enough| {
        format!("; --max-pause {} would have been enough, by an estimate", rounded(enough))
    })
}

/// A pause with a half more than was estimated, in two digits, as `--max-pause` takes it.
fn rounded(enough: Duration) -> String {
    let ms = enough.as_secs_f64() * 1.5e3;
    let unit = 10_f64.powf(ms.log10().floor() - 1.0).max(1.0);
    format!("{:.0}ms", (ms / unit).ceil() * unit)
}

/// That the target was let go before all had been read.
fn let_go(go: &Go<'_>) -> String {
    format!(
        "{}, and then {} reads found nothing kept: maps, entries or paths that needed these are \
         missing or not readable{}",
        held(go),
        go.target.missed(),
        enough(go)
    )
}

/// Ends a report, with what is `missing` from it.
pub(crate) fn finish(go: &Go<'_>, sink: &mut dyn Sink, missing: Vec<String>) -> io::Result<()> {
    finish_with(go, sink, missing, false)
}

/// Ends a report that says whether something was `found` which a caller may want to fail on.
pub(crate) fn finish_with(
    go: &Go<'_>,
    sink: &mut dyn Sink,
    mut missing: Vec<String>,
    found: bool,
) -> io::Result<()> {
    if go.progress.cancelled() {
        missing.insert(0, "stopped on request before it was finished".into());
    }
    if go.cut_short() {
        missing.insert(0, let_go(go));
    }
    if missing.is_empty() && go.lost() > 0 {
        missing.push(format!(
            "{} reads of the target failed for what it lacks: what they were for is not in the \
             answer",
            go.lost()
        ));
    }
    if go.is_racing() {
        sink.note(Note::warning(
            "racing: the target ran on while it was read (--freeze none), so that the answer may \
             mix moments",
        ))?;
    }
    if let Some(doubt) = go.doubt() {
        sink.note(Note::warning(format!(
            "unproven: {doubt}. Some hundred objects agreed with the layouts, but what has changed \
             its meaning would not show"
        )))?;
    }
    let (evidence, missing) = (go.evidence().to_vec(), once(missing));
    sink.finish(&Tail { missing, evidence, pause: go.pause(), found })
}

/// Each once: several parts of a report may lack the same, `the stack of goroutine 7`, and one of them say why.
fn once(all: Vec<String>) -> Vec<String> {
    let explained = all.iter().flat_map(|one| one.match_indices(": ").map(|(at, _)| &one[..at]));
    let mut said: HashSet<String> = explained.map(str::to_owned).collect();
    all.into_iter().filter(|one| said.insert(one.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::once;

    #[test]
    fn what_is_missing_is_told_once() {
        let all =
            ["the map", "the stack of goroutine 7: gone", "the map", "the stack of goroutine 7"];
        let told = once(all.map(str::to_owned).to_vec());
        assert_eq!(told, ["the map", "the stack of goroutine 7: gone"]);
    }
}
