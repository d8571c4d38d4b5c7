//! The range of an array, and whether all of it is finite: one pass at memory speed.

use crate::Real;
use crate::engine::run::Element;
use crate::vector::{Kernel, MOST_LANES, Vector};

/// The least and the greatest number, or `None` where one is not finite.
pub(super) fn finite_range<E: Element>(numbers: &[E]) -> Option<(f64, f64)> {
    E::run(numbers.len(), FiniteRange(numbers))
}

/// The least and the greatest number without vectors, or `None` where one is not finite.
pub(super) fn plain_finite_range<F: Real>(numbers: &[F]) -> Option<(f64, f64)> {
    let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
    for number in numbers {
        let number = number.widen();
        (least, greatest) = (least.min(number), greatest.max(number));
    }
    numbers.iter().all(|number| number.is_finite()).then_some((least, greatest))
}

struct FiniteRange<'a, E>(&'a [E]);

impl<E: Real> Kernel<E> for FiniteRange<'_, E> {
    type Output = Option<(f64, f64)>;

    #[inline(always)]
    fn run<V: Vector<Element = E>>(self, token: V::Token) -> Self::Output {
        // Several chains at a time, so that none waits for the one before.
        const CHAINS: usize = 4;
        let mut least = [V::splat(token, f64::INFINITY); CHAINS];
        let mut greatest = [V::splat(token, f64::NEG_INFINITY); CHAINS];
        // NaN for good after a NaN or an infinity.
        let mut zeros = [V::splat(token, 0.0); CHAINS];
        let mut see = |chain: usize, x: V| {
            least[chain] = least[chain].min(x);
            greatest[chain] = greatest[chain].max(x);
            zeros[chain] = x.mul_add(x.constant(0.0), zeros[chain]);
        };
        let vectors = V::raws(self.0);
        let chunks = vectors.chunks_exact(CHAINS);
        for (chain, &x) in chunks.remainder().iter().enumerate() {
            see(chain, V::of(token, x));
        }
        for chunk in chunks {
            for (chain, &x) in chunk.iter().enumerate() {
                see(chain, V::of(token, x));
            }
        }
        let rest = &self.0[vectors.len() * V::lanes()..];
        if let Some(&first) = rest.first() {
            let mut last = [first; MOST_LANES];
            last[..rest.len()].copy_from_slice(rest);
            see(0, V::of(token, V::raws(&last)[0]));
        }
        let least = least[0].min(least[1]).min(least[2].min(least[3]));
        let greatest = greatest[0].max(greatest[1]).max(greatest[2].max(greatest[3]));
        let zeros = (zeros[0] + zeros[1]) + (zeros[2] + zeros[3]);
        let finite = (0..V::lanes()).all(|lane| zeros.lane(lane) == E::zero());
        finite.then(|| (least.least_lane().widen(), greatest.greatest_lane().widen()))
    }
}
