//! Carries what is known of places along the flows between them.

use std::thread;

use rustc_hash::{FxHashMap, FxHashSet};

use super::back::Back;
use super::facts::{Facts, Told};
use super::graph::Graph;
use super::holds::Holds;
use super::known::Known;
use super::node::{Node, Nodes};
use super::place::PlaceId;
use super::sweep::Sweep;
use super::twins::{self, differ};

/// A place told to hold more than so many things holds no one type: a data word of interfaces, say.
pub(super) const MAX_TOLD: usize = 4;

/// So far is what is known carried: from a constructor to a variable it takes two or three steps.
const MAX_ROUNDS: usize = 24;

/// A type that begins with a generic one that begins with another, and so on, so deep.
const MAX_TURNS: usize = 3;

impl Sweep<'_, '_> {
    pub(super) fn solve(mut self) -> Facts {
        self.sync_maps();
        self.spread_read();
        let mut known = Known::nothing(Nodes::of(&self.read, self.places.len()));
        let places = known.nodes().len();
        let flows = known.nodes().pairs(self.flows.pairs().iter().copied());
        let ((fields, mut fresh), graph) = beside(
            || (self.fields(known.nodes()), self.direct(&mut known)),
            || Graph::both_ways(places, &flows),
        );
        let mut apart: Vec<Node> =
            fresh.iter().copied().filter(|node| known.at(*node).len() > 1).collect();
        for _ in 0..MAX_TURNS {
            self.spread(&mut known, (&graph, &fields), fresh, &mut apart);
            fresh = self.fields_of_instances(&mut known);
            if fresh.is_empty() {
                break;
            }
        }
        twins::Search::new(&self, &graph).mark(&mut known, &apart);
        self.pointees(&mut known);
        self.facts(known)
    }

    /// From each place to the words of what it points to.
    fn fields(&self, nodes: &Nodes) -> Graph {
        Graph::of(nodes.len(), nodes.pairs(self.places.fields()).into_iter())
    }

    /// Carries what is newly known along the flows and to fields, until nothing new is known. Where
    /// different maps meet is added to `apart`.
    fn spread(
        &self,
        known: &mut Known,
        (flows, fields): (&Graph, &Graph),
        mut fresh: Vec<Node>,
        apart: &mut Vec<Node>,
    ) {
        let mut several = Vec::new();
        for _ in 0..MAX_ROUNDS {
            self.derive_fields(known, fields, &mut fresh);
            fresh = carry(known, flows, &fresh, apart);
            several.extend(fresh.iter().filter(|node| known.at(**node).len() > 1));
            if fresh.is_empty() {
                break;
            }
        }
        apart.extend(several.iter().copied());
        self.settle(known, several);
    }

    /// Sets once more what is known of places that several things flowed to: of many the same.
    fn settle(&self, known: &mut Known, several: Vec<Node>) {
        let mut settled: FxHashMap<Vec<Told>, Vec<Told>> = FxHashMap::default();
        for node in several {
            let told = known.at(node);
            if let Some(settled) = settled.get(told) {
                known.set(node, settled.iter().copied());
                continue;
            }
            let told = told.to_vec();
            self.set(known, node, told.clone());
            settled.insert(told, known.at(node).to_vec());
        }
    }

    /// What goes on to an argument or a result that is read, is read.
    fn spread_read(&mut self) {
        let mut back = Back::over(self.places.registers());
        let mut work = Vec::new();
        for (from, to) in self.flows.pairs().iter().filter(|(from, _)| !self.is_real(*from)) {
            match self.is_real(*to) {
                true => work.push(*from),
                false => back.add(*from, *to),
            }
        }
        while let Some(place) = work.pop() {
            if !self.is_real(place) {
                self.read(place);
                work.extend(back.take(place));
            }
        }
    }

    /// What the code says outright, the most often said first. Returns of which places.
    fn direct(&self, known: &mut Known) -> Vec<Node> {
        let nodes = known.nodes();
        let told = self.told.iter().filter_map(|((place, holds), times)| {
            Some((nodes.get(*place)?, Told::new(*holds, *times)))
        });
        let mut told: Vec<_> = told.collect();
        told.sort_unstable_by_key(|(node, told)| (*node, told.holds));
        let of_places = told.chunk_by(|one, next| one.0 == next.0);
        let set = of_places.map(|of_place| {
            self.set(known, of_place[0].0, of_place.iter().map(|(_, told)| *told).collect());
            of_place[0].0
        });
        set.collect()
    }

    /// Sets what is known of a place, without what only says less than something else, and sorted.
    fn set(&self, known: &mut Known, node: Node, mut told: Vec<Told>) {
        if told.len() > 1 {
            let types = &self.go.types;
            let covered: FxHashSet<Holds> =
                told.iter().flat_map(|one| one.holds.covered(types)).collect();
            told.retain(|one| !covered.contains(&one.holds));
            told.sort_by_key(|told| (std::cmp::Reverse(told.times), told.holds));
        }
        known.set(node, told);
    }

    /// Fields of what is newly known to be of some type: they are newly known then, too.
    fn derive_fields(&self, known: &mut Known, fields: &Graph, fresh: &mut Vec<Node>) {
        let mut next = 0;
        while let Some(of) = fresh.get(next).copied() {
            next += 1;
            let [one] = known.at(of) else { continue };
            let (Holds::Pointer(ty) | Holds::Slice(ty)) = one.holds else { continue };
            for field in fields.from(of) {
                if known.lacks(*field)
                    && let Some(offset) = self.places.field_offset(known.nodes().place(*field))
                    && let Some(holds) = Holds::word(&self.go.types, ty, offset.into(), 0)
                {
                    known.set(*field, [Told::new(holds, 0)]);
                    fresh.push(*field);
                }
            }
        }
    }

    /// What places hold whose address is kept where a pointer of a known type is; of each place that
    /// is known to hold several things, what says most.
    fn pointees(&self, known: &mut Known) {
        let holds = |pointer: PlaceId| match known.of(pointer) {
            [Told { holds: Holds::Pointer(ty), .. }] => Some((Holds::Value(*ty), false)),
            [Told { holds: Holds::Map(ty), twins, .. }] => Some((Holds::Header(*ty), *twins)),
            _ => None,
        };
        let points = self.points.pairs().iter();
        let nodes = known.nodes();
        let said =
            points.filter_map(|(pointee, pointer)| Some((nodes.get(*pointee)?, holds(*pointer)?)));
        let mut said: Vec<(Node, (Holds, bool))> = said.collect();
        said.sort_unstable();
        said.dedup();
        for of_place in said.chunk_by(|one, next| one.0 == next.0) {
            let node = of_place[0].0;
            let mut told = known.at(node).to_vec();
            for (_, (holds, twins)) in of_place {
                match told.iter_mut().find(|one| one.holds == *holds) {
                    Some(one) => one.twins |= twins,
                    None => told.push(Told { twins: *twins, ..Told::new(*holds, 0) }),
                }
            }
            self.set(known, node, told);
        }
    }

    fn facts(self, known: Known) -> Facts {
        let globals = self.places.globals();
        let known_globals = globals.filter(|(_, place)| !known.of(*place).is_empty());
        Facts {
            globals: known_globals.collect(),
            closures: self.closures,
            map_uses: self.map_uses,
            partial: false,
            code: Some((self.callees, self.places)),
            known,
        }
    }
}

/// One step along every flow from what is newly known, to places of which nothing is known. Returns
/// these; those between which a map flows that they know as different ones are added to `apart`.
fn carry(known: &mut Known, graph: &Graph, fresh: &[Node], apart: &mut Vec<Node>) -> Vec<Node> {
    let mut news: Vec<(Node, Holds)> = Vec::new();
    for from in fresh {
        let told = known.at(*from);
        if told.len() > MAX_TOLD {
            continue;
        }
        for to in graph.from(*from) {
            if known.lacks(*to) {
                news.extend(told.iter().map(|told| (*to, told.holds)));
            } else if differ(told, known.at(*to)) {
                apart.extend([*from, *to]);
            }
        }
    }
    news.sort_unstable();
    news.dedup();
    let of_places = news.chunk_by(|one, next| one.0 == next.0);
    let set = of_places.map(|of_place| {
        known.set(of_place[0].0, of_place.iter().map(|(_, holds)| Told::new(*holds, 0)));
        of_place[0].0
    });
    set.collect()
}

/// What both come to: the second in a thread of its own, where one can be had.
fn beside<A, B: Send>(here: impl FnOnce() -> A, there: impl Fn() -> B + Sync) -> (A, B) {
    thread::scope(|scope| {
        let other = thread::Builder::new().spawn_scoped(scope, &there);
        let here = here();
        let there = match other.map(|other| other.join()) {
            Ok(Ok(there)) => there,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => there(),
        };
        (here, there)
    })
}
