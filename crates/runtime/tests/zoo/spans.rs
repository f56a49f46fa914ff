//! What the lists of each class say, held against the list of all spans.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use mapscope_runtime::Go;
use mapscope_runtime::goroutine::{Processor, Scheduler};
use mapscope_target::Addr;

use crate::zoo::each_running;

/// The spans of objects with pointers, by the list of all.
fn all(go: &Go<'_>) -> BTreeSet<Addr> {
    let mut all = BTreeSet::new();
    let visited = go.heap.spans(|span| {
        if !span.noscan {
            all.insert(span.start);
        }
        ControlFlow::Continue(())
    });
    assert_eq!(visited, Ok(()));
    all
}

/// The same by the lists of the classes.
fn by_class(go: &Go<'_>, processors: &[Processor]) -> BTreeSet<Addr> {
    let mut found = BTreeSet::new();
    let visited = go.heap.spans_of(&|_| true, processors, &mut |span| {
        assert!(found.insert(span.start), "{span:?} is listed twice");
        ControlFlow::Continue(())
    });
    assert_eq!(visited, Ok(()));
    found
}

/// While a span goes from one list to another, as when it is swept, it is in neither.
const TRIES: usize = 1000;

#[test]
fn every_span_is_in_a_list_of_its_class() {
    each_running(|variant, go| {
        let processors = Scheduler::open(go).unwrap().processors(go).unwrap();
        let agree = (0..TRIES).any(|_| {
            go.target.forget();
            all(go) == by_class(go, &processors)
        });
        assert!(agree, "{variant}: {:?} and {:?}", all(go), by_class(go, &processors));
    });
}

#[test]
fn spans_of_a_size_are_told_from_others() {
    each_running(|variant, go| {
        let processors = Scheduler::open(go).unwrap().processors(go).unwrap();
        let mut sizes = BTreeSet::new();
        let visited =
            go.heap.spans_of(&|size| (48..=64).contains(&size), &processors, &mut |span| {
                sizes.insert(span.elemsize);
                ControlFlow::Continue(())
            });
        assert_eq!(visited, Ok(()));
        assert_eq!(sizes, BTreeSet::from([48, 64]), "{variant}");
    });
}
