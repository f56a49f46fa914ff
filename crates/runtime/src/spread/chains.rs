//! Classic maps: chains of buckets. A key lies in the chain that its hash leads to, so that none
//! has to be hashed.

use rustc_hash::FxHashSet;

use super::{BLOCK, Spread};
use crate::Go;
use crate::maps::{Care, Damage, MapAt, SLOTS, State};

/// One bucket with what hangs on it.
struct Chain {
    home: u64,
    old: bool,
    keys: u32,
    /// The marks of its entries so far: how many there are of each.
    marks: [u16; 256],
}

pub(super) fn spread(go: &Go<'_>, at: &MapAt) -> Result<Spread, Damage> {
    let mut spread = Spread::default();
    let (mut current, mut old) = (Vec::new(), Vec::new());
    let mut chain: Option<Box<Chain>> = None;
    let mut end = |chain: Option<Box<Chain>>| {
        let Some(chain) = chain else { return };
        let bins = if chain.old { &mut old } else { &mut current };
        bins.push((chain.home, chain.keys));
    };
    go.shape.blocks(go.reader(), at, &mut |block| {
        if block.step == 0 {
            end(chain.take());
            let (home, old) = (block.home, block.old);
            chain = Some(Box::new(Chain { home, old, keys: 0, marks: [0; 256] }));
        }
        let Some(chain) = &mut chain else { return go.flow() };
        for (slot, mark) in block.bytes.iter().take(SLOTS).enumerate() {
            if block.full >> slot & 1 == 0 {
                continue;
            }
            let same = &mut chain.marks[usize::from(*mark)];
            spread.false_marks += u64::from(*same);
            // Marks below 5 have other meanings, and those of 0 to 4 fall on 5 to 9.
            spread.expected_false += f64::from(chain.keys) / 251.0;
            *same = same.saturating_add(1);
            chain.keys += 1;
            spread.count(usize::try_from(block.step).unwrap_or(usize::MAX).min(MAX_STEP));
        }
        go.flow()
    })?;
    end(chain.take());
    // Into a bucket whose old one is not evacuated yet nothing has come.
    let waiting: FxHashSet<u64> = old.iter().map(|(home, _)| *home).collect();
    if let State::Growing(growth) = go.survey(at, Care::Quick)?.state {
        let mask = growth.old.max(1) - 1;
        current.retain(|(home, _)| !waiting.contains(&(home & mask)));
    }
    spread.cells = (current.len() + old.len()) as u64;
    for bins in [&current, &old] {
        spread.evenness.add(bins.iter().map(|(_, keys)| *keys));
        expect(&mut spread, bins);
    }
    Ok(spread)
}

/// Longer chains are counted as of this length.
const MAX_STEP: usize = 1 << 10;

/// Adds how many keys a good hash puts into each bucket of a chain: how many fall into one chain
/// is all but Poisson distributed.
fn expect(spread: &mut Spread, bins: &[(u64, u32)]) {
    let keys: u64 = bins.iter().map(|(_, keys)| u64::from(*keys)).sum();
    if keys == 0 {
        return;
    }
    let mean = keys as f64 / bins.len() as f64;
    let most = (mean + 12.0 * mean.sqrt() + 32.0).min(1e5) as u64;
    let mut chance = (-mean).exp();
    for n in 1..=most {
        chance *= mean / n as f64;
        for step in 0..n.div_ceil(BLOCK) {
            let here = (n - step * BLOCK).min(BLOCK) as f64;
            let expected = bins.len() as f64 * chance * here;
            if expected >= 0.005 || spread.lengths.len() > step as usize {
                spread.length((step as usize).min(MAX_STEP)).expected += expected;
            }
        }
    }
}
