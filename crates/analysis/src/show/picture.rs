//! How full a map's buckets or groups are, as a line of blocks.

use mapscope_runtime::Go;
use mapscope_runtime::maps::{Damage, MapAt, SLOTS};

/// Lines a picture may take; more buckets than fit share a block.
const MAX_LINES: usize = 8;

/// From empty to full.
const BLOCKS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How full each bucket or group is.
pub(super) struct Picture {
    /// Entries in each, its overflow chain included, in the order of memory.
    filled: Vec<u32>,
    /// By length of the overflow chain: how many buckets have one so long, and the entries in
    /// them. One element where there are no chains.
    pub(super) lengths: Vec<(u64, u64)>,
    old: u64,
}

impl Picture {
    /// Counts the entries of a map, bucket by bucket or group by group.
    pub(super) fn of(go: &Go<'_>, map: &MapAt) -> Result<Picture, Damage> {
        let mut picture = Picture { filled: Vec::new(), lengths: Vec::new(), old: 0 };
        let (mut chain, mut in_chain) = (0usize, 0u64);
        go.shape.blocks(go.reader(), map, &mut |block| {
            let entries = block.full.count_ones();
            let overflow = go.shape.has_chains() && block.step > 0;
            if overflow {
                if let Some(last) = picture.filled.last_mut() {
                    *last += entries;
                }
                chain += 1;
                in_chain += u64::from(entries);
            } else {
                picture.end_chain(chain, in_chain);
                (chain, in_chain) = (0, entries.into());
                picture.filled.push(entries);
                picture.old += u64::from(block.old);
            }
            go.flow()
        })?;
        picture.end_chain(chain, in_chain);
        Ok(picture)
    }

    fn end_chain(&mut self, length: usize, entries: u64) {
        if self.filled.is_empty() {
            return;
        }
        if self.lengths.len() <= length {
            self.lengths.resize(length + 1, (0, 0));
        }
        let (count, sum) = &mut self.lengths[length];
        *count += 1;
        *sum += entries;
    }

    /// What the picture shows.
    pub(super) fn title(&self) -> String {
        let old = match self.old {
            0 => String::new(),
            old => format!(", the last {old} not yet evacuated old ones"),
        };
        format!("occupancy of {} buckets or groups of {SLOTS}{old}", self.filled.len())
    }

    /// The picture, folded to `width` columns.
    pub(super) fn lines(&self, width: usize) -> Vec<String> {
        let width = width.clamp(16, 512);
        let share = self.filled.len().div_ceil(width * MAX_LINES).max(1);
        let blocks: Vec<char> = self.filled.chunks(share).map(block).collect();
        blocks.chunks(width).map(|line| line.iter().collect()).collect()
    }
}

/// One block for one or several buckets: how full they are on average.
fn block(buckets: &[u32]) -> char {
    let entries: u64 = buckets.iter().map(|n| u64::from(*n)).sum();
    let slots = (buckets.len() * SLOTS) as u64;
    let eighths = (entries * SLOTS as u64).div_ceil(slots.max(1)).min(SLOTS as u64);
    BLOCKS[eighths as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_folded_and_never_hides_an_entry() {
        let picture = Picture { filled: vec![0, 1, 8, 12], lengths: Vec::new(), old: 0 };
        assert_eq!(picture.lines(80), ["·▁██"]);
        let mut filled = vec![0; 4000];
        filled[1] = 1;
        let many = Picture { filled, lengths: Vec::new(), old: 0 };
        let lines = many.lines(100);
        assert!(lines.len() <= MAX_LINES);
        assert!(lines[0].starts_with("▁·"), "{}", lines[0]);
    }
}
