//! How far the crate's results are from the exact ones, in the units of the bounds that it promises.
//!
//! - A value is within 16 ulp, or within 16 u Σ|terms| where terms have both signs.
//! - A gradient entry is within 16 u Σ|terms|.
//! - No tail is lost: there is no absolute tolerance beside these, except for results that are below
//!   the type's normal numbers.

use crate::definitions::{Case, Exact, Terms};
use crate::losses::{Subject, compute};
use crate::number::Number;

/// In the units of the lines above.
pub const BOUND: f64 = 16.0;

/// A type of floats.
#[derive(Debug, Clone, Copy)]
struct Format {
    /// u, half the distance of 1 to the next number.
    unit: f64,
    min_positive: f64,
    max: f64,
}

impl Format {
    fn of(single: bool) -> Self {
        if single {
            Self {
                unit: f64::from(f32::EPSILON) / 2.0,
                min_positive: f32::MIN_POSITIVE.into(),
                max: f32::MAX.into(),
            }
        } else {
            Self { unit: f64::EPSILON / 2.0, min_positive: f64::MIN_POSITIVE, max: f64::MAX }
        }
    }

    /// The distance of the numbers of this type around x, as if it had no least exponent.
    fn ulp(self, x: Number) -> Number {
        Number::from(self.unit).scale(x.magnitude() + 1)
    }

    /// |computed − exact| in units; infinite where it is beyond all.
    fn error(self, computed: f64, exact: Number, unit: Number) -> f64 {
        let max = Number::from(self.max);
        if computed.is_nan() {
            return f64::INFINITY;
        }
        if computed.is_infinite() {
            let beyond = exact.abs() + unit.scale(4) >= max;
            let same_side = exact.is_negative() == (computed < 0.0);
            return if beyond && same_side { 0.0 } else { f64::INFINITY };
        }
        let mut error = (Number::from(computed) - exact).abs();
        if exact.abs() < self.min_positive.into() {
            error = error - self.min_positive.into();
        }
        if error.is_negative() || error.is_zero() {
            return 0.0;
        }
        if exact.abs() > max && computed.abs() == self.max {
            return 0.0;
        }
        if unit.is_zero() { f64::INFINITY } else { (error / unit).to_f64() }
    }
}

/// The errors of one result, in the units of their bounds.
#[derive(Debug, Clone, Copy)]
pub struct Errors {
    pub value: f64,
    /// The worst of the gradient's entries.
    pub grad: f64,
}

impl Errors {
    pub fn worst(self) -> f64 {
        self.value.max(self.grad)
    }
}

/// The errors of a computed value and gradient.
pub fn errors(single: bool, computed: &(f64, Vec<f64>), exact: &Exact) -> Errors {
    let format = Format::of(single);
    let of_terms = |computed, terms: &Terms| {
        format.error(computed, terms.sum(), terms.scale() * format.unit.into())
    };
    let (value, grad) = computed;
    assert_eq!(grad.len(), exact.grad.len());
    let sum = exact.value.sum();
    let of_value = if exact.value.cancels() || sum.is_zero() {
        of_terms(*value, &exact.value)
    } else {
        format.error(*value, sum, format.ulp(sum))
    };
    let of_grad = grad.iter().zip(&exact.grad).map(|(&slope, terms)| of_terms(slope, terms));
    Errors { value: of_value, grad: of_grad.fold(0.0, f64::max) }
}

/// The errors of a loss of a list; None where the list is outside its domain.
pub fn measure(subject: &Subject, case: &Case) -> Option<Errors> {
    let computed = compute(&*(subject.loss)(), case).ok()?;
    Some(errors(case.single, &computed, &(subject.definition)(case)))
}

/// Fails where a loss of a list exceeds its bounds; says by how much it keeps them.
pub fn assert_accurate(subject: &Subject, case: &Case) -> Errors {
    let computed = compute(&*(subject.loss)(), case).unwrap_or_else(|error| panic!("{error}"));
    assert_computed(subject.name, case, &computed, &(subject.definition)(case))
}

/// The same of a result that is there already.
pub fn assert_computed(
    name: &str,
    case: &Case,
    computed: &(f64, Vec<f64>),
    exact: &Exact,
) -> Errors {
    let errors = errors(case.single, computed, exact);
    assert!(
        errors.worst() <= BOUND,
        "{name} of {}\nis off by {errors:?}: {computed:?}, exactly {:e}, {:?}",
        case.literal(),
        exact.value.sum().to_f64(),
        exact.grad.iter().map(|terms| terms.sum().to_f64()).collect::<Vec<_>>(),
    );
    errors
}
