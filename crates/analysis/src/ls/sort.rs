//! In which order maps are listed.

use std::cmp::Ordering;

use mapscope_runtime::Go;
use mapscope_runtime::find::Findings;

use super::row::{self, Surveyed};

/// What rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// By address.
    Addr,
    /// By type.
    Type,
    /// By number of entries.
    Len,
    /// By number of slots.
    Capacity,
    /// By load.
    Load,
    /// By size.
    Bytes,
    /// By waste.
    Wasted,
    /// By state.
    State,
    /// By what holds them.
    Path,
}

impl SortKey {
    /// Every key, for a command line to offer.
    pub const ALL: &'static [(&'static str, SortKey)] = &[
        ("addr", SortKey::Addr),
        ("type", SortKey::Type),
        ("len", SortKey::Len),
        ("capacity", SortKey::Capacity),
        ("load", SortKey::Load),
        ("bytes", SortKey::Bytes),
        ("wasted", SortKey::Wasted),
        ("state", SortKey::State),
        ("path", SortKey::Path),
    ];

    /// Whether largest first is what a user means who names only the key.
    pub fn descends(self) -> bool {
        !matches!(self, SortKey::Addr | SortKey::Type | SortKey::State | SortKey::Path)
    }
}

/// An order of rows. Equal rows stand by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What they are sorted by.
    pub key: SortKey,
    /// Largest first.
    pub descending: bool,
}

impl Default for Order {
    /// The largest maps first.
    fn default() -> Order {
        Order { key: SortKey::Bytes, descending: true }
    }
}

impl Order {
    pub(super) fn sort(&self, go: &Go<'_>, findings: &Findings, maps: &mut [Surveyed]) {
        maps.sort_by_key(|m| m.found.addr);
        let by_number = |maps: &mut [Surveyed], key: fn(&Surveyed) -> u64| {
            maps.sort_by(|a, b| self.turn(key(a).cmp(&key(b))));
        };
        match self.key {
            SortKey::Addr => maps.sort_by(|a, b| self.turn(a.found.addr.cmp(&b.found.addr))),
            SortKey::Len => by_number(maps, |m| m.survey().len),
            SortKey::Capacity => by_number(maps, |m| m.survey().capacity),
            SortKey::Bytes => by_number(maps, |m| m.survey().bytes),
            SortKey::Wasted => by_number(maps, |m| m.survey().wasted),
            SortKey::Load => maps.sort_by(|a, b| {
                self.turn(row::load(&a.survey()).total_cmp(&row::load(&b.survey())))
            }),
            SortKey::State => {
                maps.sort_by(|a, b| {
                    self.turn(a.survey().state.word().cmp(b.survey().state.word()))
                });
            }
            SortKey::Type => self.by_text(maps, |m| row::type_name(go, m)),
            SortKey::Path => self.by_text(maps, |m| {
                m.found.held.map_or_else(String::new, |node| findings.trail.path(go, node))
            }),
        }
    }

    fn by_text(&self, maps: &mut [Surveyed], text: impl Fn(&Surveyed) -> String) {
        maps.sort_by_cached_key(text);
        if self.descending {
            maps.reverse();
        }
    }

    fn turn(&self, order: Ordering) -> Ordering {
        if self.descending { order.reverse() } else { order }
    }
}
