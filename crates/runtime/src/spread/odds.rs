//! The odds that a good hash is as uneven.

/// Bins into which keys were thrown, all with the same chance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evenness {
    bins: f64,
    /// Pearson's statistic, the sum of `(n - mean)² / mean`, and what is known of it.
    statistic: f64,
    mean: f64,
    variance: f64,
    third: f64,
}

/// Fewer keys tell too little.
const FEWEST: u64 = 8;

impl Evenness {
    /// Adds bins that have so many keys each. Different lots of bins may have different means.
    pub(super) fn add(&mut self, bins: impl Iterator<Item = u32> + Clone) {
        let (mut count, mut keys) = (0u64, 0u64);
        for bin in bins.clone() {
            count += 1;
            keys += u64::from(bin);
        }
        if count < 2 || keys < FEWEST {
            return;
        }
        let (g, n) = (count as f64, keys as f64);
        let mean = n / g;
        self.statistic += bins.map(|bin| (f64::from(bin) - mean).powi(2) / mean).sum::<f64>();
        // The cumulants of the statistic of a multinomial distribution: those of a chi-square one,
        // and what few keys a bin add to its skewness (pairs of keys are then almost Poisson).
        self.bins += g;
        self.mean += g - 1.0;
        self.variance += 2.0 * (g - 1.0) * (1.0 - 1.0 / n);
        self.third += (g - 1.0) * (8.0 + 4.0 / mean);
    }

    /// How often a good hash is as uneven as this, or more: from 0 to 1. `None` where there are
    /// too few keys or bins to tell.
    ///
    /// By a gamma distribution with the mean, variance and skewness of Pearson's statistic.
    pub fn odds(&self) -> Option<f64> {
        if self.bins < 2.0 || self.variance <= 0.0 {
            return None;
        }
        let deviation = self.variance.sqrt();
        let skewness = self.third / (self.variance * deviation);
        let shape = 4.0 / (skewness * skewness);
        let at = shape + (self.statistic - self.mean) / deviation * shape.sqrt();
        Some(if at <= 0.0 { 1.0 } else { upper_gamma(shape, at) })
    }
}

/// Steps of a series or a fraction: they take a few times the square root of `a`.
const STEPS: usize = 200_000;

/// The regularised upper incomplete gamma function, `Q(a, x)`: by its series below the mean, by
/// its continued fraction (Lentz) above.
fn upper_gamma(a: f64, x: f64) -> f64 {
    let scale = a * x.ln() - x - ln_gamma(a);
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for n in 1..STEPS {
            term *= x / (a + n as f64);
            sum += term;
            if term < sum * 1e-14 {
                break;
            }
        }
        return (1.0 - sum * scale.exp()).clamp(0.0, 1.0);
    }
    let tiny = 1e-300;
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / tiny, 1.0 / b);
    let mut fraction = d;
    for n in 1..STEPS {
        let n = n as f64;
        let factor = -n * (n - a);
        b += 2.0;
        d = 1.0 / nonzero(factor * d + b, tiny);
        c = nonzero(b + factor / c, tiny);
        let step = c * d;
        fraction *= step;
        if (step - 1.0).abs() < 1e-14 {
            break;
        }
    }
    (scale.exp() * fraction).clamp(0.0, 1.0)
}

fn nonzero(value: f64, tiny: f64) -> f64 {
    if value.abs() < tiny { tiny } else { value }
}

/// The logarithm of the gamma function, by Stirling's series from 30 on, where what is left
/// out of it is below what a double can tell.
fn ln_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 30.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * square)) / square) / x;
    shift + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

/// Numbers that only look random, the same in every run (Steele, Lea and Flood's SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thrown(bins: usize, keys: usize, random: &mut Random) -> Vec<u32> {
        let mut counts = vec![0; bins];
        for _ in 0..keys {
            counts[random.next() as usize % bins] += 1;
        }
        counts
    }

    fn odds(counts: &[u32]) -> Option<f64> {
        let mut evenness = Evenness::default();
        evenness.add(counts.iter().copied());
        evenness.odds()
    }

    #[test]
    fn gamma_is_that_of_tables() {
        // Q(1, x) is exp(-x); Q(1/2, x) is erfc(sqrt(x)).
        assert!((upper_gamma(1.0, 3.0) - (-3f64).exp()).abs() < 1e-12);
        assert!((upper_gamma(0.5, 4.0) - 0.004_677_734_981_047_266).abs() < 1e-12);
        assert!((upper_gamma(500.0, 500.0) - 0.494_052_8).abs() < 1e-5);
    }

    #[test]
    fn a_good_hash_is_as_uneven_as_often_as_is_said() {
        let mut random = Random(1);
        for (bins, keys) in [(2, 20), (16, 104), (128, 830), (4096, 500), (1000, 6500)] {
            let all: Vec<f64> =
                (0..1000).filter_map(|_| odds(&thrown(bins, keys, &mut random))).collect();
            for (level, low, high) in [(0.5, 0.4, 0.62), (0.1, 0.05, 0.16), (0.01, 0.0, 0.03)] {
                let share = all.iter().filter(|p| **p <= level).count() as f64 / 1000.0;
                assert!((low..=high).contains(&share), "{bins} {keys} {level}: {share}");
            }
        }
    }

    #[test]
    fn keys_that_collide_are_told() {
        let mut random = Random(2);
        let mut counts = thrown(1024, 5000, &mut random);
        assert!(odds(&counts).is_some_and(|p| p > 1e-4));
        // Forty keys that were chosen to fall into one bucket.
        counts[17] += 40;
        assert!(odds(&counts).is_some_and(|p| p < 1e-9), "{:?}", odds(&counts));
    }

    #[test]
    fn too_few_tell_nothing() {
        assert_eq!(odds(&[7]), None);
        assert_eq!(odds(&[1, 2, 3]), None);
        assert_eq!(odds(&[]), None);
    }
}
