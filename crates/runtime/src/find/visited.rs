//! What has been visited already.

use mapscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::types::TypeId;

/// The values visited, as runs of elements of one type: one run an allocation and type, which is
/// what slices of one array share.
#[derive(Default)]
pub(super) struct Visited(FxHashMap<(Addr, TypeId), (Addr, Addr)>);

impl Visited {
    /// Marks the bytes from `from` to `to`, which lie in the allocation at `base`, as visited with
    /// type `ty`; the answer is what of them was not yet: nothing, one piece, or two.
    pub(super) fn visit(
        &mut self,
        base: Addr,
        ty: TypeId,
        from: Addr,
        to: Addr,
    ) -> [Option<(Addr, Addr)>; 2] {
        let run = self.0.entry((base, ty)).or_insert((from, from));
        let (low, high) = *run;
        if low == high {
            *run = (from, to);
            return [(from < to).then_some((from, to)), None];
        }
        if to < low || from > high {
            // Apart from the known run: visited now, remembered only where it is the longer one.
            if to.0 - from.0 > high.0 - low.0 {
                *run = (from, to);
            }
            return [Some((from, to)), None];
        }
        *run = (low.min(from), high.max(to));
        [(from < low).then_some((from, low)), (to > high).then_some((high, to))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TypeId;

    #[test]
    fn overlapping_slices_are_visited_once() {
        let mut visited = Visited::default();
        let ty = TypeId::from_index(0);
        let mut visit = |from, to| visited.visit(Addr(0), ty, Addr(from), Addr(to));
        assert_eq!(visit(10, 20), [Some((Addr(10), Addr(20))), None]);
        assert_eq!(visit(12, 18), [None, None]);
        assert_eq!(visit(15, 25), [None, Some((Addr(20), Addr(25)))]);
        assert_eq!(visit(5, 30), [Some((Addr(5), Addr(10))), Some((Addr(25), Addr(30)))]);
        assert_eq!(visit(5, 30), [None, None]);
    }
}
