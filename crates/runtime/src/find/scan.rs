//! The scan: every heap object that can be a map header, believed only if it is one.

use mapscope_target::Addr;
use rustc_hash::FxHashSet;

use super::typing::MapTypes;
use super::{Findings, Found, FoundBy};
use crate::Go;
use crate::heap::Span;

/// Larger spans of header-sized objects do not exist (8 KiB by the size class table).
const MAX_SPAN: u64 = 1 << 20;

/// Adds to `findings` the maps of the heap that are not among them yet.
pub fn scan(go: &Go<'_>, findings: &mut Findings) {
    if go.progress.cancelled() {
        return;
    }
    go.progress.begin("scanning the heap for maps", 0);
    let size = go.heap.rounded(go.shape.header_size(), true);
    let met: FxHashSet<Addr> = findings.maps.iter().map(|found| found.addr).collect();
    let types = MapTypes::default();
    let mut buf = Vec::new();
    let outcome = go.heap.spans(|span| {
        go.progress.step(1);
        if !span.noscan && span.elemsize == size {
            let maps = &mut findings.maps;
            scan_span(go, &span, &mut buf, &met, |addr, array| {
                let Some((ty, typed_by)) = types.of(go, addr, array) else { return };
                maps.push(Found { addr, ty, held: None, found_by: FoundBy::Scan, typed_by });
            });
        }
        go.flow()
    });
    if let Err(fault) = outcome {
        findings.missing.push(format!("the list of the heap's spans: {fault}"));
    }
    if go.progress.cancelled() {
        findings.missing.push("the scan of the heap was stopped".into());
    }
}

fn scan_span(
    go: &Go<'_>,
    span: &Span,
    buf: &mut Vec<u8>,
    met: &FxHashSet<Addr>,
    mut found: impl FnMut(Addr, Option<Addr>),
) {
    let len = span.elemsize.saturating_mul(span.nelems).min(MAX_SPAN) as usize;
    let bytes = match go.memory().borrow(span.start, len) {
        Some(bytes) => bytes,
        None => {
            buf.resize(len, 0);
            // A span that is just being freed: nothing is lost with it.
            if go.memory().read(span.start, buf).is_err() {
                return;
            }
            &buf[..]
        }
    };
    let reader = go.reader();
    for (index, object) in bytes.chunks_exact(span.elemsize as usize).enumerate() {
        let Some(addr) = span.object(index as u64) else { return };
        if met.contains(&addr) || !span.in_use(go.memory(), index as u64).unwrap_or(false) {
            continue;
        }
        if go.heap.pointer_words(addr).is_some_and(|words| words != go.shape.pointer_words()) {
            continue;
        }
        if let Ok(array) = go.shape.prove(reader, object, addr, None) {
            found(addr, array);
        }
    }
}
