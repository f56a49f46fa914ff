//! Keys as somebody writes them, for the map types of a real process.

use mapscope_runtime::Go;
use mapscope_runtime::find;
use mapscope_runtime::hash::{Hasher, Key};
use mapscope_runtime::literal::Literal;
use mapscope_runtime::types::TypeId;

use crate::Process;

/// The key types of a process's maps, and how each is hashed.
pub struct Literals {
    process: Process,
    go: &'static Go<'static>,
    keys: Vec<(TypeId, Hasher<'static, 'static>)>,
}

impl Literals {
    /// Those of `process`.
    ///
    /// # Panics
    ///
    /// It has no maps.
    pub fn of(process: Process) -> Literals {
        let go = process.go();
        let mut types: Vec<TypeId> = find::all(go).maps.iter().filter_map(|map| map.ty).collect();
        types.sort();
        types.dedup();
        let keys = types.into_iter().filter_map(|ty| {
            let key = go.types.map(ty)?.key;
            Some((key, Hasher::of(go, ty).ok()?))
        });
        let keys: Vec<_> = keys.collect();
        assert!(keys.len() > 3, "only {} types of keys", keys.len());
        Literals { process, go, keys }
    }

    /// Parses and hashes `text` as a key of one of them.
    pub fn fuzz(&self, which: u8, text: &str) {
        self.process.rewind();
        let (key, hasher) = &self.keys[usize::from(which) % self.keys.len()];
        let parse = || Literal::parse(self.go, *key, text);
        let (a, b) = match (parse(), parse()) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(a), Err(b)) => {
                assert_eq!(a, b);
                assert!(a.at <= text.chars().count(), "{a}");
                return;
            }
            _ => panic!("the same text, another answer"),
        };
        assert_eq!(a.bytes.len() as u64, hasher.key_size());
        let hash = |l: &Literal<'_>| hasher.hash(&l.memory, &l.bytes, 7).ok();
        let [of_a, of_b] = [&a, &b].map(hash);
        let [key_a, key_b] = [&a, &b].map(|l| Key { memory: &l.memory, bytes: &l.bytes });
        if hasher.equal(key_a, key_b) == Ok(true) && of_a.is_some() {
            assert_eq!(of_a, of_b, "equal keys have equal hashes");
        }
    }
}
