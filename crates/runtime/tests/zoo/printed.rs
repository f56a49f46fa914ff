//! The tracebacks that Go prints.

use std::collections::BTreeMap;

use crate::{Trace, without_wrappers};

/// The traces in the text that Go prints when it dies.
pub(crate) fn printed(text: &str) -> BTreeMap<u64, Trace> {
    let mut traces = BTreeMap::new();
    for block in text.split("\n\n") {
        let mut lines = block.lines().skip_while(|line| !line.starts_with("goroutine "));
        let Some(head) = lines.next() else { continue };
        let id = head["goroutine ".len()..].split(' ').next().unwrap().parse().unwrap();
        let mut trace = Trace::new();
        while let (Some(call), Some(place)) = (lines.next(), lines.next()) {
            if call.starts_with("created by ") || !place.starts_with('\t') {
                break;
            }
            let name = call.rfind('(').map_or(call, |at| &call[..at]);
            let name = if name == "panic" { "runtime.gopanic" } else { name };
            let place = place.trim().split(' ').next().unwrap();
            trace.push((name.to_owned(), place.to_owned()));
        }
        traces.insert(id, without_wrappers(trace));
    }
    traces
}
