//! Carries what is known of places along the flows between them.

use mapscope_binary::FileVa;
use rustc_hash::FxHashSet;

use super::facts::{Facts, Told};
use super::place::{Holds, Place, PlaceId};
use super::sweep::Sweep;

/// A place told to hold more than so many things holds no one type: a data word of interfaces, say.
const MAX_TOLD: usize = 4;

/// So far is what is known carried: from a constructor to a variable it takes two or three steps.
const MAX_ROUNDS: usize = 24;

impl Sweep<'_, '_> {
    pub(super) fn solve(mut self) -> Facts {
        self.spread_read();
        let mut known = self.direct();
        let edges = self.edges();
        for _ in 0..MAX_ROUNDS {
            let fields = self.derive_fields(&mut known);
            let carried = carry(&mut known, &edges);
            if !fields && !carried {
                break;
            }
        }
        self.pointees(&mut known);
        self.facts(known)
    }

    fn is_real(&self, place: PlaceId) -> bool {
        match self.places.get(place) {
            Place::Argument(..) | Place::Result(..) | Place::Context(_) => {
                self.read.contains(&place)
            }
            Place::Field(of, _) => self.is_real(of),
            Place::Global(_) | Place::Slot(..) => true,
        }
    }

    /// What goes on to an argument or a result that is read, is read.
    fn spread_read(&mut self) {
        let mut back: Vec<(PlaceId, PlaceId)> = self.flows.iter().map(|(a, b)| (*b, *a)).collect();
        back.sort_unstable();
        let ids = self.places.iter();
        let mut work: Vec<PlaceId> = ids.map(|(id, _)| id).filter(|id| self.is_real(*id)).collect();
        let mut seen = vec![false; self.places.len()];
        while let Some(place) = work.pop() {
            if std::mem::replace(&mut seen[place.0 as usize], true) {
                continue;
            }
            self.read.insert(place);
            let first = back.partition_point(|(to, _)| *to < place);
            let from = back[first..].iter().take_while(|(to, _)| *to == place);
            work.extend(from.map(|(_, from)| *from));
        }
    }

    /// What the code says outright, the most often said first.
    fn direct(&self) -> Vec<Vec<Told>> {
        let mut known = vec![Vec::new(); self.places.len()];
        for ((place, holds), times) in &self.told {
            if self.is_real(*place) {
                known[place.0 as usize].push(Told { holds: *holds, times: *times });
            }
        }
        for told in &mut known {
            self.merge(told);
        }
        known
    }

    /// Leaves out what only says less than something else, and sorts the rest.
    fn merge(&self, told: &mut Vec<Told>) {
        let types = &self.go.types;
        let covered = told.iter().flat_map(|one| one.holds.covered(types));
        let covered: FxHashSet<Holds> = covered.collect();
        told.retain(|one| !covered.contains(&one.holds));
        told.sort_by_key(|told| (std::cmp::Reverse(told.times), told.holds));
    }

    /// The flows between places that are real, both ways.
    fn edges(&self) -> Vec<(PlaceId, PlaceId)> {
        let real = self.flows.iter().filter(|(a, b)| self.is_real(*a) && self.is_real(*b));
        let mut edges: Vec<_> = real.flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect();
        edges.sort_unstable();
        edges
    }

    /// Fields of what is known by now to be of some type.
    fn derive_fields(&self, known: &mut [Vec<Told>]) -> bool {
        let mut changed = false;
        for (id, place) in self.places.iter() {
            let Place::Field(of, offset) = place else { continue };
            if !known[id.0 as usize].is_empty() {
                continue;
            }
            let [one] = known[of.0 as usize].as_slice() else { continue };
            let (Holds::Pointer(ty) | Holds::Slice(ty)) = one.holds else { continue };
            if let Some(holds) = Holds::word(&self.go.types, ty, offset.into(), 0) {
                known[id.0 as usize].push(Told { holds, times: 0 });
                changed = true;
            }
        }
        changed
    }

    /// What places hold whose address is kept where a pointer of a known type is.
    fn pointees(&self, known: &mut [Vec<Told>]) {
        let said = known.iter().enumerate().flat_map(|(place, told)| {
            told.iter().map(move |told| (PlaceId(place as u32), told.holds))
        });
        let mut said: FxHashSet<(PlaceId, Holds)> = said.collect();
        for (pointee, pointer) in &self.points {
            let [one] = known[pointer.0 as usize].as_slice() else { continue };
            let holds = match one.holds {
                Holds::Pointer(ty) => Holds::Value(ty),
                Holds::Map(ty) => Holds::Header(ty),
                _ => continue,
            };
            if said.insert((*pointee, holds)) {
                known[pointee.0 as usize].push(Told { holds, times: 0 });
            }
        }
    }

    fn facts(self, known: Vec<Vec<Told>>) -> Facts {
        let mut facts = Facts::default();
        for ((_, place), mut told) in self.places.iter().zip(known) {
            self.merge(&mut told);
            // Of what is left out, one may be what it holds.
            if told.is_empty() || told.len() > MAX_TOLD {
                continue;
            }
            match place {
                Place::Global(va) => {
                    facts.globals.insert(va, told);
                }
                Place::Slot(entry, offset) => insert_slot(&mut facts, entry, offset, told),
                Place::Argument(entry, number) => {
                    facts.arguments.insert((entry, number), told);
                }
                Place::Result(entry, number) => {
                    facts.results.insert((entry, number), told);
                }
                Place::Context(_) | Place::Field(..) => {}
            }
        }
        Facts { closures: self.closures, map_uses: self.map_uses, ..facts }
    }
}

fn insert_slot(facts: &mut Facts, entry: FileVa, offset: i32, told: Vec<Told>) {
    facts.slots.entry(entry).or_default().insert(offset, told);
}

/// One step along every flow, to places of which nothing is known.
fn carry(known: &mut [Vec<Told>], edges: &[(PlaceId, PlaceId)]) -> bool {
    let mut news: Vec<(PlaceId, Holds)> = Vec::new();
    for (from, to) in edges {
        let told = &known[from.0 as usize];
        if known[to.0 as usize].is_empty() && (1..=MAX_TOLD).contains(&told.len()) {
            news.extend(told.iter().map(|told| (*to, told.holds)));
        }
    }
    news.sort_unstable();
    news.dedup();
    for (to, holds) in &news {
        known[to.0 as usize].push(Told { holds: *holds, times: 0 });
    }
    !news.is_empty()
}
