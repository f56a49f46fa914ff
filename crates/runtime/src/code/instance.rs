//! Values that methods of a generic type are called on, by the dictionaries that are passed along.

use mapscope_binary::FileVa;
use rustc_hash::FxHashSet;

use super::callee::FuncId;
use super::facts::Told;
use super::holds::Holds;
use super::known::Known;
use super::node::Node;
use super::place::PlaceId;
use super::sweep::Sweep;
use crate::types::TypeId;

/// What a method of a generic type was called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) method: FuncId,
    /// What says which types the generic one is made for: one for each instance of it.
    pub(super) dictionary: FileVa,
    /// The value, or what points to it.
    pub(super) place: PlaceId,
    pub(super) pointer: bool,
}

impl Sweep<'_, '_> {
    /// Since 1.24 a `sync.Map` is an instance of a generic type and nothing else (sync/map.go), and
    /// its methods, which only call the same of that type, are mostly inlined. What is passed with the
    /// dictionary that they pass is a `sync.Map` as well, or begins with one.
    pub(super) fn sync_maps(&mut self) {
        let Some(map) = self.go.types.listed("sync.Map") else { return };
        let pointer = Holds::Pointer(map);
        let known = self.instances.iter().map(|one| one.place);
        let known = known.filter(|place| self.told.contains_key(&(*place, pointer))).collect();
        for one in self.alike(known) {
            self.tell(one.place, one.holds(map));
        }
    }

    /// The same where what is `known` of the receiver of a method of a generic type tells that it
    /// begins with a `sync.Map`, as that is passed on to its methods. Returns the places that are newly
    /// known.
    pub(super) fn fields_of_instances(&self, known: &mut Known) -> Vec<Node> {
        let Some(map) = self.go.types.listed("sync.Map") else { return Vec::new() };
        let is_known = |place: &PlaceId| match known.of(*place) {
            [Told { holds: Holds::Pointer(ty), .. }] => self.go.types.begins_with(*ty, map),
            _ => false,
        };
        let receivers = self.instances.iter().map(|one| self.places.argument(one.method, 0));
        let own = receivers.filter(is_known).collect();
        let mut fresh = Vec::new();
        for one in self.alike(own) {
            let Some(node) = known.nodes().get(one.place) else { continue };
            if known.lacks(node) {
                known.set(node, [Told::new(one.holds(map), 0)]);
                fresh.push(node);
            }
        }
        fresh
    }

    fn alike(&self, known: FxHashSet<PlaceId>) -> Vec<Instance> {
        alike(self.instances.clone(), known, |method| self.places.argument(method, 0))
    }
}

impl Instance {
    /// What the place holds, if what the method is called on is of type `ty`, or begins with it.
    fn holds(&self, ty: TypeId) -> Holds {
        if self.pointer { Holds::Pointer(ty) } else { Holds::Value(ty) }
    }
}

/// A type that begins with a type that begins with one, and so on, so deep.
const MAX_ROUNDS: usize = 8;

/// Those of `instances` that are of the type that `known` places point to, or begin with a value of it;
/// `receiver` is where a method has what it is called on.
///
/// In the body that instances of a generic type share, the address of a dictionary is only named where
/// it is that of all of them: what their first field is does not depend on what they are made for.
fn alike(
    mut instances: Vec<Instance>,
    mut known: FxHashSet<PlaceId>,
    receiver: impl Fn(FuncId) -> PlaceId,
) -> Vec<Instance> {
    let (mut own, mut found) = (FxHashSet::default(), Vec::new());
    for _ in 0..MAX_ROUNDS {
        let is_own = |one: &Instance| {
            one.pointer && known.contains(&one.place) || known.contains(&receiver(one.method))
        };
        own.extend(instances.iter().filter(|one| is_own(one)).map(|one| one.dictionary));
        let (new, rest): (Vec<_>, Vec<_>) =
            instances.into_iter().partition(|one| own.contains(&one.dictionary));
        instances = rest;
        if new.is_empty() {
            break;
        }
        known.extend(new.iter().filter(|one| one.pointer).map(|one| one.place));
        found.extend(new);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::place::Places;

    /// Where a method of that number has what it is called on.
    fn receiver(method: u32) -> PlaceId {
        Places::of(64).argument(FuncId(method), 0)
    }

    fn place(number: u32) -> PlaceId {
        Places::of(64).argument(FuncId(number), 1)
    }

    fn called(method: u32, dictionary: u64, place: PlaceId, pointer: bool) -> Instance {
        Instance { method: FuncId(method), dictionary: FileVa(dictionary), place, pointer }
    }

    /// The places of those that are found, of which the pointer in `known` is known.
    fn found(instances: &[Instance], known: &[PlaceId]) -> Vec<PlaceId> {
        let known = known.iter().copied().collect();
        let all = alike(instances.to_vec(), known, |method| receiver(method.0));
        all.into_iter().map(|one| one.place).collect()
    }

    #[test]
    fn what_has_the_dictionary_of_a_known_one_is_of_its_type() {
        let instances = [
            called(1, 0x100, receiver(9), true),
            called(1, 0x100, place(2), false),
            called(2, 0x100, place(3), true),
            called(1, 0x200, place(4), false),
        ];
        assert_eq!(found(&instances, &[receiver(9)]), [receiver(9), place(2), place(3)]);
        assert_eq!(found(&instances, &[]), []);
    }

    #[test]
    fn a_value_at_a_place_of_which_a_pointer_is_known_says_nothing() {
        // That place holds the value, not a pointer to one.
        let instances = [called(1, 0x100, place(1), false), called(1, 0x100, place(2), true)];
        assert_eq!(found(&instances, &[place(1)]), []);
    }

    #[test]
    fn what_begins_with_one_is_found_through_its_methods() {
        let instances = [
            // A method of a map, and a method of a cache that calls it on its first field.
            called(1, 0x100, receiver(7), true),
            called(1, 0x100, receiver(20), true),
            // A store that begins with the cache, and a variable of each.
            called(20, 0x200, receiver(21), true),
            called(20, 0x200, place(1), false),
            called(22, 0x200, place(2), false),
            called(21, 0x300, place(3), false),
            // Another cache.
            called(23, 0x400, place(4), false),
        ];
        let mut all = found(&instances, &[receiver(7)]);
        all.sort();
        let mut expected =
            vec![receiver(7), receiver(20), receiver(21), place(1), place(2), place(3)];
        expected.sort();
        assert_eq!(all, expected);
    }

    #[test]
    fn methods_that_call_each_other_come_to_an_end() {
        let instances = [
            called(1, 0x100, receiver(2), true),
            called(2, 0x200, receiver(1), true),
            called(2, 0x200, place(5), false),
        ];
        let mut all = found(&instances, &[receiver(2)]);
        all.sort();
        let mut expected = vec![receiver(1), receiver(2), place(5)];
        expected.sort();
        assert_eq!(all, expected);
        let deep: Vec<_> =
            (0..40).map(|i| called(i + 1, u64::from(i), receiver(i), true)).collect();
        assert_eq!(found(&deep, &[receiver(40)]).len(), MAX_ROUNDS);
    }
}
