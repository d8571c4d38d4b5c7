//! A batch so large that, with the feature `rayon`, several threads compute it: the bits are those of
//! its parts, each of which one thread computes.

use crate::common::losses;
use lipo::losses::{LossExt, Reduction};
use lipo::{Lists, Real};
use ndarray::{Array1, ArrayView1, Axis, Slice};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

fn bits<'a, F: Real>(numbers: impl IntoIterator<Item = &'a F>) -> Vec<u64> {
    numbers.into_iter().map(|x| x.widen().to_bits()).collect()
}

fn part<T>(array: &Array1<T>, start: usize, end: usize) -> ArrayView1<'_, T> {
    array.slice_axis(Axis(0), Slice::from(start..end))
}

fn a_large_batch_has_the_bits_of_its_parts<F: Real>() {
    let mut rng = StdRng::seed_from_u64(7);
    let sizes: Vec<usize> = (0..3000).map(|n| if n % 500 == 499 { 300 } else { n % 40 }).collect();
    let items = sizes.iter().sum();
    let scores: Array1<F> =
        (0..items).map(|_| F::narrow(2.0 * rng.sample::<f64, _>(StandardNormal))).collect();
    let labels: Array1<F> =
        (0..items).map(|_| F::narrow(f64::from(rng.random_range(0..=4_u8)) / 4.0)).collect();
    let mask: Array1<bool> = (0..items).map(|_| rng.random_bool(0.9)).collect();
    for (name, loss) in losses() {
        let whole = Lists::ragged(&scores, &labels, &sizes).mask(&mask).build().unwrap();
        let (values, grad) = loss.per_list(&whole).unwrap();
        let (_, reduced_grad) = loss.reduced(&whole, Reduction::Sum).unwrap();
        assert_eq!(bits(&grad), bits(&reduced_grad), "{name}");
        let (mut list, mut item) = (0, 0);
        for sizes in sizes.chunks(100) {
            let next = item + sizes.iter().sum::<usize>();
            let (scores, labels) = (part(&scores, item, next), part(&labels, item, next));
            let mask = part(&mask, item, next);
            let lists = Lists::ragged(&scores, &labels, sizes).mask(&mask).build().unwrap();
            let (part_values, part_grad) = loss.per_list(&lists).unwrap();
            let of_whole = part(&values, list, list + sizes.len());
            assert_eq!(bits(&part_values), bits(of_whole), "{name}");
            assert_eq!(bits(&part_grad), bits(part(&grad, item, next)), "{name}");
            (list, item) = (list + sizes.len(), next);
        }
    }
}

#[test]
fn in_single_precision_a_large_batch_has_the_bits_of_its_parts() {
    a_large_batch_has_the_bits_of_its_parts::<f32>();
}

#[test]
fn in_double_precision_a_large_batch_has_the_bits_of_its_parts() {
    a_large_batch_has_the_bits_of_its_parts::<f64>();
}
