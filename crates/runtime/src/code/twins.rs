//! Map types that the code may have made of each other.
//!
//! A conversion between two map types with the same keys and elems takes no instruction: where a map
//! that is used as one type flows into a place that is used as another, there is a conversion
//! somewhere on the way, and nothing tells where. Of no place on that way is the type certain, unless
//! it is declared: by a field of a struct, or by the name of the method whose receiver it is.

use rustc_hash::{FxHashMap, FxHashSet};

use super::facts::Told;
use super::graph::Graph;
use super::holds::Holds;
use super::known::Known;
use super::node::Node;
use super::sweep::Sweep;
use crate::types::TypeId;

/// What a map type consists of: those with the same are converted into each other.
type Twins = Option<(TypeId, TypeId)>;

/// Looks for places of which the type is not certain.
pub(super) struct Search<'s, 'g, 'a> {
    sweep: &'s Sweep<'g, 'a>,
    flows: &'s Graph,
    twins: FxHashMap<TypeId, Twins>,
    done: FxHashSet<(Node, TypeId, TypeId)>,
}

/// Places between which maps of twin types flow.
#[derive(Default)]
struct Region {
    places: Vec<Node>,
    types: FxHashSet<TypeId>,
}

/// Whether both hold maps of different types: a first look, which costs nothing.
pub(super) fn differ(one: &[Told], other: &[Told]) -> bool {
    match (one, other) {
        (
            [Told { holds: Holds::Map(one), .. }, ..],
            [Told { holds: Holds::Map(other), .. }, ..],
        ) => one != other,
        _ => false,
    }
}

impl<'s, 'g, 'a> Search<'s, 'g, 'a> {
    pub(super) fn new(sweep: &'s Sweep<'g, 'a>, flows: &'s Graph) -> Search<'s, 'g, 'a> {
        Search { sweep, flows, twins: FxHashMap::default(), done: FxHashSet::default() }
    }

    /// Marks what is told of all places that are on a way between two of `seeds`, or between one of
    /// them and a place of another type.
    pub(super) fn mark(&mut self, known: &mut Known, seeds: &[Node]) {
        for seed in seeds {
            let types: Vec<TypeId> = maps(known.at(*seed)).collect();
            for ty in types {
                let Some(twins) = self.twins_of(ty) else { continue };
                let region = self.region(known, *seed, twins);
                if region.types.len() > 1 {
                    for place in &region.places {
                        self.open(known, *place, twins);
                    }
                }
            }
        }
    }

    /// Places of such maps that `seed` flows to or from, up to those whose type is declared.
    fn region(&mut self, known: &Known, seed: Node, twins: (TypeId, TypeId)) -> Region {
        let (mut region, mut work) = (Region::default(), vec![seed]);
        while let Some(place) = work.pop() {
            let types: Vec<TypeId> = maps(known.at(place)).collect();
            let types = types.into_iter().filter(|ty| self.twins_of(*ty) == Some(twins));
            let types: Vec<TypeId> = types.collect();
            if types.is_empty() || self.sweep.mixed.contains(&known.nodes().place(place)) {
                continue;
            }
            if let Some(declared) = self.declared(known, place) {
                region.types.insert(declared);
                continue;
            }
            if self.done.insert((place, twins.0, twins.1)) {
                region.types.extend(types);
                region.places.push(place);
                work.extend(self.flows.from(place));
            }
        }
        region
    }

    /// The type of map that a place is declared to hold.
    fn declared(&self, known: &Known, node: Node) -> Option<TypeId> {
        let (sweep, place) = (self.sweep, known.nodes().place(node));
        if let Some(ty) = sweep.declared.get(&place) {
            return Some(*ty);
        }
        let (of, offset) = sweep.places.field_of(place)?;
        let [Told { holds: Holds::Pointer(ty) | Holds::Slice(ty), .. }] = known.of(of) else {
            return None;
        };
        match Holds::word(&sweep.go.types, *ty, offset.into(), 0) {
            Some(Holds::Map(ty)) => Some(ty),
            _ => None,
        }
    }

    fn open(&mut self, known: &mut Known, place: Node, twins: (TypeId, TypeId)) {
        let mut told = known.at(place).to_vec();
        for one in &mut told {
            let own = match one.holds {
                Holds::Map(ty) => self.twins_of(ty),
                _ => None,
            };
            one.twins |= own == Some(twins);
        }
        known.set(place, told);
    }

    fn twins_of(&mut self, ty: TypeId) -> Twins {
        let types = &self.sweep.go.types;
        *self.twins.entry(ty).or_insert_with(|| types.twins(ty))
    }
}

fn maps(told: &[Told]) -> impl Iterator<Item = TypeId> + use<'_> {
    told.iter().filter_map(|one| match one.holds {
        Holds::Map(ty) => Some(ty),
        _ => None,
    })
}
