//! Groups of equal labels, where there are few.

use crate::Real;
use crate::losses::Kernel;

/// With more distinct labels, groups would not pay.
pub(super) const MOST: usize = 16;

/// The groups of a list, the greatest label first.
#[derive(Debug, Clone, Default)]
pub struct Grades {
    /// The group of each item.
    pub(super) of_items: Vec<usize>,
    /// How many items each group has.
    pub(super) sizes: Vec<usize>,
}

impl Grades {
    /// Groups a list's items; None where there are too many distinct labels.
    pub(super) fn of<F: Real>(&mut self, labels: &[F]) -> Option<&Self> {
        let Self { of_items, sizes } = self;
        let (mut grades, mut found) = ([F::nan(); MOST], 0);
        of_items.clear();
        for &label in labels {
            // Without a branch that would be mispredicted; 0 where the label is new.
            let seen =
                grades.iter().zip(1..).map(|(&grade, nth)| usize::from(grade == label) * nth);
            let seen = seen.fold(0, |seen, nth| seen | nth);
            if seen == 0 {
                if found == MOST {
                    return None;
                }
                grades[found] = label;
                found += 1;
            }
            of_items.push(if seen == 0 { found - 1 } else { seen - 1 });
        }
        let grades = &grades[..found];
        let place = |grade: F| grades.iter().filter(|&&other| other > grade).count();
        sizes.clear();
        sizes.resize(found, 0);
        for of_item in of_items {
            *of_item = place(grades[*of_item]);
            sizes[*of_item] += 1;
        }
        Some(self)
    }

    /// The number of pairs of unequal labels.
    pub(super) fn pairs(&self) -> usize {
        let equal: usize = self.sizes.iter().map(|size| size * size).sum();
        (self.of_items.len() * self.of_items.len() - equal) / 2
    }

    /// Whether a pair loss is computed sooner by grade than by score.
    pub(super) fn pay(&self, kernel: Kernel) -> bool {
        let (items, pairs) = (self.of_items.len(), self.pairs() as f64);
        // By score, a pair costs less, but those of equal labels are computed too.
        match kernel {
            Kernel::PairLogistic => 1.5 * pairs < (items * items / 2) as f64,
            Kernel::LambdaLoss { cutoff } => {
                let rows = items.min(cutoff);
                1.2 * pairs < (rows * (2 * items - rows) / 2) as f64
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Grades, MOST};

    #[test]
    fn items_are_grouped_by_label_from_the_greatest_on() {
        let mut grades = Grades::default();
        let groups = grades.of(&[0.5, -0.0, 2.0, 0.0, 0.5, 2.0, 0.0]).unwrap();
        assert_eq!(groups.of_items, [1, 2, 0, 2, 1, 0, 2]);
        assert_eq!(groups.sizes, [2, 2, 3]);
        assert_eq!(groups.pairs(), 2 * 2 + 2 * 3 + 2 * 3);

        let distinct: Vec<_> = (0..=MOST).map(|label| label as f32).collect();
        assert!(grades.of(&distinct).is_none());
        assert_eq!(grades.of(&distinct[1..]).unwrap().pairs(), MOST * (MOST - 1) / 2);
    }
}
