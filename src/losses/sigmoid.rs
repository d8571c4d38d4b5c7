//! The sigmoid itself as a loss, for pair and point functions that count instead of penalising.
//!
//! With p = σ(x) and q = σ(−x): (σ(−x))′ = −p q, (σ(−x))″ = p q (p − q)

use crate::numeric::number::Number;

/// σ(−x) and its first two derivatives.
#[inline(always)]
pub(super) fn sigmoid_of_negative<N: Number>(x: N) -> [N; 3] {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    // E = e^−|x|; the larger of p and q is 1/(1 + E), the smaller E/(1 + E).
    let exp = (-x.abs()).exp();
    let large = one / (one + exp);
    let small = exp * large;
    let product = small * large;
    let size = one_minus_exp(x.abs(), exp) * large;
    let behind = zero.above(x);
    [N::select(behind, large, small), -product, product * N::select(behind, -size, size)]
}

/// 1/2!, 1/3!, …: the series of (1 − e^−x)/x alternates them.
const FACTORIALS: [f64; 14] = {
    let (mut all, mut factorial, mut n) = ([0.0; 14], 1.0, 0);
    while n < all.len() {
        factorial *= (n + 2) as f64;
        all[n] = 1.0 / factorial;
        n += 1;
    }
    all
};

/// 1 − e^−x for x ≥ 0, of which `exp` is e^−x: near 0, where the difference would cancel, a series.
#[inline(always)]
pub(super) fn one_minus_exp<N: Number>(x: N, exp: N) -> N {
    let one = x.constant(1.0);
    // x − x²/2! + x³/3! − …; what is left out is below 2⁻¹⁶/16! of x.
    let near = x.min(x.constant(0.5));
    let mut sum = x.constant(0.0);
    for &coefficient in FACTORIALS.iter().rev() {
        sum = (-near).mul_add(sum, x.constant(coefficient));
    }
    let series = near - near * near * sum;
    N::select(x.constant(0.5).above(x), series, one - exp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::testing::close;

    #[test]
    fn one_minus_exp_has_its_digits_near_0() {
        for x in [0.0, 1e-300, 1e-17, 1e-8, 0.01, 0.2, 0.499, 0.5, 0.7, 3.0, 800.0_f64] {
            let expected = -(-x).exp_m1();
            close("1 - e^-x", one_minus_exp(x, (-x).exp()), expected, 4e-16 * expected);
        }
    }

    #[test]
    fn both_tails_keep_their_digits() {
        for x in [0.0, 0.3, 2.0, 40.0, 600.0_f64] {
            let small = (-x).exp() / (1.0 + (-x).exp());
            let product = small / (1.0 + (-x).exp());
            let bend = product * (x / 2.0).tanh();
            for (x, value, bend) in [(x, small, bend), (-x, 1.0 - small, -bend)] {
                let expected = [value, -product, bend];
                for (found, expected) in sigmoid_of_negative(x).into_iter().zip(expected) {
                    close("σ(-x)", found, expected, 1e-14 * expected.abs());
                }
            }
        }
    }
}
