//! The reader's side: what it says of the model's memory must be the truth.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use mapscope_runtime::heap::{Heap, SizeClasses};
use mapscope_runtime::maps::{Care, MapAt, MapShape, Reader, State, Survey, entries, shape};
use mapscope_target::Addr;

use crate::kind::Hasher;
use crate::plan::{Expected, Model, Truth};
use crate::source::Shape;

/// Reads maps of one shape.
pub(crate) struct Readers {
    source: Shape,
    shape: Box<dyn MapShape>,
}

/// So many keys do not lie by chance where another hash function puts them.
const MANY: u64 = 8;

/// What was met in all runs.
#[derive(Default)]
pub(crate) struct Met(BTreeSet<String>);

impl Met {
    /// That all of these were.
    pub(crate) fn all(&self, wanted: &[&str]) {
        // One seed alone need not meet everything.
        if std::env::var_os("MAPSCOPE_MODEL_SEED").is_none() {
            let missing: Vec<_> = wanted.iter().filter(|w| !self.0.contains(**w)).collect();
            assert!(missing.is_empty(), "never met: {missing:?}");
        }
    }
}

impl Readers {
    pub(crate) fn new(source: Shape) -> Readers {
        Readers { source, shape: shape(&source).expect("every layout is there") }
    }

    pub(crate) fn look(
        &self,
        map: &mut dyn Model,
        truth: &Truth,
        about: &dyn Fn() -> String,
        met: &mut Met,
    ) {
        let expected = map.expected();
        met.0.extend(expected.events.iter().map(|event| event.to_string()));
        met.0.insert(expected.state.clone());
        let memory = map.space();
        let heap = Heap::new(memory, &self.source, Addr(0), SizeClasses::default());
        let heap = heap.expect("every layout is there");
        let reader = Reader { memory, heap: &heap };
        let at = MapAt { addr: Addr(map.header()), slots: Some(map.slots()) };
        for care in [Care::Quick, Care::Exact] {
            let survey = self.shape.survey(reader, &at, care);
            let survey = survey.unwrap_or_else(|damage| panic!("{damage}: {}", about()));
            agrees(&survey, &expected, truth, care, about);
        }
        assert_eq!(self.entries(reader, &at, map, about), *truth, "{}", about());
        self.places(reader, &at, map, about);
    }

    /// Keys lie where their own hash puts them, and not where another would.
    fn places(&self, reader: Reader<'_>, at: &MapAt, map: &dyn Model, about: &dyn Fn() -> String) {
        let (own, [key_size, _]) = (map.hasher(), map.sizes());
        let len = self.shape.len(reader.memory, at.addr).expect("the header can be read");
        let place = |hasher: Hasher| {
            let mut hash = |key: Addr, seed: u64| {
                assert_eq!(seed, own.seed, "{}", about());
                let mut bytes = vec![0; key_size as usize];
                reader.memory.read(key, &mut bytes)?;
                Ok(hasher.hash(&bytes))
            };
            let placed = self.shape.place(reader, at, &mut hash);
            placed.unwrap_or_else(|damage| panic!("{damage}: {}", about()))
        };
        let right = place(own);
        assert_eq!((right.differ, right.silent, right.unread), (0, 0, 0), "{}", about());
        // Enough are looked at to tell, or all.
        assert!(right.agree == len || right.bits >= 64, "{right:?}: {}", about());
        // Keys whose hashes share most bits may by chance lie right by another seed as well.
        if len >= MANY && key_size > 0 && !own.poor {
            let other = place(Hasher { seed: own.seed ^ 1 << 20, ..own });
            assert!(!other.is_sound(), "{other:?}: {}", about());
        }
    }

    /// The entries by their bytes; none twice.
    fn entries(
        &self,
        reader: Reader<'_>,
        at: &MapAt,
        map: &dyn Model,
        about: &dyn Fn() -> String,
    ) -> Truth {
        let slots = at.slots.expect("the type is known");
        let [key_size, elem_size] = map.sizes();
        let mut found = Truth::new();
        let bytes = |addr: Addr, size: u64| {
            let mut bytes = vec![0; size as usize];
            reader.memory.read(addr, &mut bytes).unwrap_or_else(|f| panic!("{f}: {}", about()));
            bytes
        };
        let walked = self.shape.blocks(reader, at, &mut |block| {
            for entry in entries(&block, &slots, reader.memory) {
                let entry = entry.unwrap_or_else(|fault| panic!("{fault}: {}", about()));
                let key = bytes(entry.key, key_size);
                let twice = found.insert(key, bytes(entry.elem, elem_size));
                assert!(twice.is_none(), "a key twice: {}", about());
            }
            ControlFlow::Continue(())
        });
        walked.unwrap_or_else(|damage| panic!("{damage}: {}", about()));
        found
    }
}

fn agrees(
    survey: &Survey,
    expected: &Expected,
    truth: &Truth,
    care: Care,
    about: &dyn Fn() -> String,
) {
    let Expected { capacity, overflow, tables, tombstones, .. } = *expected;
    let said = (survey.capacity, survey.overflow, survey.tables, survey.tombstones);
    assert_eq!(said, (capacity, overflow, tables, tombstones), "{}", about());
    assert_eq!(survey.len, truth.len() as u64, "{}", about());
    assert_eq!(survey.state.word(), expected.state, "{}", about());
    if let (State::Growing(growth), Some((old, left))) = (survey.state, expected.growth) {
        assert_eq!(growth.old, old, "{}", about());
        // A quick look knows only a bound.
        match care {
            Care::Exact => assert_eq!(growth.left, left, "{}", about()),
            Care::Quick => assert!(growth.left >= left, "{}", about()),
        }
    }
}
