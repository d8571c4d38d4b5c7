//! Seeded random numbers: the same on every machine, whatever else a program draws.

/// SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014).
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = self.0;
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Uniform in (0, 1): the middles of 2⁵³ equal parts.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) * (0.5_f64).powi(53)
    }

    /// Uniform in 0, …, `end` − 1, by rejection of what would favour the low numbers.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = (end as u64).max(1);
        loop {
            let (draw, excess) = (self.next(), (u64::MAX % end + 1) % end);
            if draw <= u64::MAX - excess {
                return usize::try_from(draw % end).unwrap_or(0);
            }
        }
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Gamma with the given shape > 0 and scale 1 (Marsaglia and Tsang, *A simple method for
    /// generating gamma variables*, 2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * self.uniform().powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let cube = (1.0 + c * x).powi(3);
            if cube > 0.0 && self.uniform().ln() < 0.5 * x * x + d * (1.0 - cube + cube.ln()) {
                return d * cube;
            }
        }
    }

    /// Puts the elements in a uniformly random order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, elements: &mut [T]) {
        for end in (1..elements.len()).rev() {
            elements.swap(end, self.below(end + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SplitMix64;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        // The first outputs for seed 1234567 of the reference code, as Rosetta Code lists them.
        let mut random = SplitMix64::new(1_234_567);
        let drawn = [(); 3].map(|()| random.next());
        let published =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(drawn, published);
    }

    #[test]
    fn gamma_has_its_mean_and_variance() {
        // Both equal the shape; 5 standard errors of 20,000 draws.
        for shape in [0.3, 1.0, 2.5, 40.0] {
            let mut random = SplitMix64::new(3);
            let draws: Vec<f64> = (0..20_000).map(|_| random.gamma(shape)).collect();
            let mean = draws.iter().sum::<f64>() / 2e4;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 2e4;
            assert!((mean - shape).abs() < 5.0 * (shape / 2e4).sqrt(), "{shape}: {mean}");
            // The variance's own variance: (μ₄ − σ⁴)/n, with μ₄ = 3 shape² + 6 shape.
            let spread = ((2.0 * shape * shape + 6.0 * shape) / 2e4).sqrt();
            assert!((variance - shape).abs() < 5.0 * spread, "{shape}: {variance}");
        }
    }

    #[test]
    fn below_takes_each_number_as_often() {
        let mut random = SplitMix64::new(9);
        let mut counts = [0; 7];
        (0..7000).for_each(|_| counts[random.below(7)] += 1);
        assert!(counts.iter().all(|&count| (850..1150).contains(&count)), "{counts:?}");
        assert_eq!(random.below(0), 0);
    }
}
