//! What is known of a process beside its bytes.

use std::collections::{BTreeMap, BTreeSet};

use mapscope_runtime::evidence::{Place, Source};
use mapscope_target::Addr;

/// Where the structures of a process are, and how they are laid out.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `runtime.mheap_`.
    pub mheap: Addr,
    /// `runtime.firstmoduledata`.
    pub module: Addr,
    /// Maps, each with the descriptor of its type.
    pub maps: Vec<(Addr, Addr)>,
    /// Lines: `size TYPE BYTES`, `place TYPE MEMBER OFFSET BYTES`, `constant NAME VALUE`.
    pub layouts: BTreeSet<String>,
}

impl Facts {
    /// One line each.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("mheap {:x}\nmodule {:x}\n", self.mheap.0, self.module.0);
        for (map, ty) in &self.maps {
            text += &format!("map {:x} {:x}\n", map.0, ty.0);
        }
        self.layouts.iter().for_each(|line| text += &format!("{line}\n"));
        text
    }

    /// The reverse of it, and the layouts as a source.
    pub(crate) fn of_text(text: &str) -> (Facts, Layouts) {
        let (mut facts, mut layouts) = (Facts::default(), Layouts::default());
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["mheap", at] => facts.mheap = addr(at),
                ["module", at] => facts.module = addr(at),
                ["map", map, ty] => facts.maps.push((addr(map), addr(ty))),
                _ => {
                    layouts.add(line);
                    facts.layouts.insert(line.to_owned());
                }
            }
        }
        (facts, layouts)
    }
}

/// The address that a seed states; seeds are ours, and right.
fn addr(hex: &str) -> Addr {
    Addr(u64::from_str_radix(hex, 16).expect("an address"))
}

/// Layouts as a seed states them.
#[derive(Debug, Default)]
pub struct Layouts {
    sizes: BTreeMap<String, u64>,
    places: BTreeMap<(String, String), Place>,
    constants: BTreeMap<String, i64>,
}

impl Layouts {
    fn add(&mut self, line: &str) {
        // Names of types may hold spaces: numbers stand at the end.
        let mut words = line.rsplitn(2, ' ');
        let (Some(last), Some(rest)) = (words.next(), words.next()) else { return };
        if let Some(name) = rest.strip_prefix("size ") {
            self.sizes.insert(name.to_owned(), last.parse().expect("a size"));
        } else if let Some(name) = rest.strip_prefix("constant ") {
            self.constants.insert(name.to_owned(), last.parse().expect("a value"));
        } else if let Some(place) = rest.strip_prefix("place ") {
            let mut words = place.rsplitn(3, ' ');
            let mut next = || words.next().expect("a place").to_owned();
            let (offset, member, ty) = (next(), next(), next());
            let [offset, size] = [offset.as_str(), last].map(|n| n.parse().expect("a number"));
            self.places.insert((ty, member), Place { offset, size });
        }
    }
}

impl Source for Layouts {
    fn name(&self) -> String {
        "a seed".into()
    }

    fn size(&self, type_name: &str) -> Option<u64> {
        self.sizes.get(type_name).copied()
    }

    fn place(&self, type_name: &str, path: &str) -> Option<Place> {
        self.places.get(&(type_name.to_owned(), path.to_owned())).copied()
    }

    fn constant(&self, name: &str) -> Option<i64> {
        self.constants.get(name).copied()
    }
}
