//! The seven losses as closed forms, spelled out by hand for a list of three, and as their
//! definitions for any list.
//!
//! The spelled-out forms are the formulas of the paper with nothing left to code: each can be checked
//! with a pen. The definitions (`common::Definition`) are loops over terms that share no line with
//! the crate; tests of invariants lean on them, so they are held to the same closed forms.

use crate::common::{
    self, Definition, TestList, assert_all_close, assert_close, batches, for_all, items, losses,
    objective_losses, value_and_grad,
};
use lipo::Real;

/// A closed form of one loss at the list below.
struct ClosedForm {
    loss: &'static str,
    value: f64,
    grad: [f64; 3],
}

const SCORES: [f64; 3] = [0.3, -0.5, 1.1];
const LABELS: [f64; 3] = [1.0, 0.25, 0.0];

fn ln(x: f64) -> f64 {
    x.ln()
}

fn e(x: f64) -> f64 {
    x.exp()
}

/// σ
fn s(x: f64) -> f64 {
    1.0 / (1.0 + e(-x))
}

/// Items 0, 1, 2 with scores 0.3, −0.5, 1.1 and labels 1, 0.25, 0: item 2 ranks first, then 0, then
/// 1; the pairs are 01, 02 and 12, of margins 0.8, −0.8 and −1.6.
fn closed_forms() -> Vec<ClosedForm> {
    let all = e(0.3) + e(-0.5) + e(1.1);
    let tail = e(-0.5) + e(1.1);
    let two_to_a_quarter = 2.0_f64.powf(0.25);
    // |G_i − G_j| · |1/D_i − 1/D_j| with 1/D = 1/log2(3), 1/2 and 1 of items 0, 1 and 2.
    let second = ln(2.0) / ln(3.0);
    let d01 = (2.0 - two_to_a_quarter) * (second - 0.5);
    let d02 = (2.0 - 1.0) * (1.0 - second);
    let d12 = (two_to_a_quarter - 1.0) * (1.0 - 0.5);
    vec![
        ClosedForm {
            loss: "point-mse",
            value: 0.7 * 0.7 + 0.75 * 0.75 + 1.1 * 1.1,
            grad: [2.0 * -0.7, 2.0 * -0.75, 2.0 * 1.1],
        },
        ClosedForm {
            loss: "point-sigmoid",
            value: -ln(s(0.3)) - 0.25 * ln(s(-0.5)) - 0.75 * ln(1.0 - s(-0.5)) - ln(1.0 - s(1.1)),
            grad: [s(0.3) - 1.0, s(-0.5) - 0.25, s(1.1)],
        },
        ClosedForm {
            loss: "pair-hinge",
            value: (1.0 - 0.8) + (1.0 + 0.8) + (1.0 + 1.6),
            grad: [-2.0, 0.0, 2.0],
        },
        ClosedForm {
            loss: "pair-logistic",
            value: ln(1.0 + e(-0.8)) + ln(1.0 + e(0.8)) + ln(1.0 + e(1.6)),
            grad: [-s(-0.8) - s(0.8), s(-0.8) - s(1.6), s(0.8) + s(1.6)],
        },
        ClosedForm {
            loss: "list-mle",
            value: -ln(e(0.3) / all) - ln(e(-0.5) / tail) - ln(1.0),
            grad: [
                e(0.3) / all - 1.0,
                e(-0.5) / all + e(-0.5) / tail - 1.0,
                e(1.1) / all + e(1.1) / tail,
            ],
        },
        ClosedForm {
            loss: "softmax",
            value: -0.8 * ln(e(0.3) / all) - 0.2 * ln(e(-0.5) / all),
            grad: [e(0.3) / all - 0.8, e(-0.5) / all - 0.2, e(1.1) / all],
        },
        ClosedForm {
            loss: "lambda-loss",
            value: d01 * ln(1.0 + e(-0.8)) + d02 * ln(1.0 + e(0.8)) + d12 * ln(1.0 + e(1.6)),
            grad: [
                -d01 * s(-0.8) - d02 * s(0.8),
                d01 * s(-0.8) - d12 * s(1.6),
                d02 * s(0.8) + d12 * s(1.6),
            ],
        },
    ]
}

#[test]
fn seven_losses_of_three_items() {
    let forms = closed_forms();
    assert_eq!(forms.len(), losses().len());
    for ClosedForm { loss: name, value, grad } in forms {
        let loss = common::loss(name);
        let (got, slopes) = value_and_grad::<f64>(&*loss, &SCORES, &LABELS, None, None);
        assert_close(name, got, value, 1e-14);
        assert_all_close(name, &slopes, &grad, 1e-14);

        let defined = Definition::of(name, &TestList::plain(&SCORES, &LABELS));
        assert_close(name, defined.value, value, 1e-14);
        assert_all_close(name, &defined.grad(), &grad, 1e-14);
    }
}

/// The losses of other objectives at the same list.
fn forms_of_other_objectives() -> Vec<ClosedForm> {
    // The smoothed slopes ε − σ(−d) and the robust ones −σ(−d) − ε/(1 − 2ε), ε being 0.1.
    let smoothed = |d: f64| 0.9 * ln(1.0 + e(-d)) + 0.1 * ln(1.0 + e(d));
    let robust = |d: f64| (0.9 * ln(1.0 + e(-d)) - 0.1 * ln(1.0 + e(d))) / 0.8;
    // Shares 0.8, 0.2 and 0 of the labels, and a third of the noise.
    let third = 1.0 / 3.0;
    // PRO: 1/T of positions 1 and 2, those of the head being the greatest.
    let first = e(1.0 * 0.3) + e(0.75 * -0.5) + e(1.0 * 1.1);
    let second = e(0.25 * -0.5) + e(0.25 * 1.1);
    vec![
        ClosedForm {
            loss: "hinge of margin 0.45",
            value: (0.45 + 0.8) + (0.45 + 1.6),
            grad: [-1.0, -1.0, 2.0],
        },
        ClosedForm { loss: "hinge of margin 0", value: 0.8 + 1.6, grad: [-1.0, -1.0, 2.0] },
        ClosedForm {
            loss: "squared difference",
            value: 4.2 * 4.2 + 5.8 * 5.8 + 6.6 * 6.6,
            grad: [2.0 * (-4.2 - 5.8), 2.0 * (4.2 - 6.6), 2.0 * (5.8 + 6.6)],
        },
        ClosedForm {
            loss: "smoothed logistic",
            value: smoothed(0.8) + smoothed(-0.8) + smoothed(-1.6),
            grad: [0.2 - s(-0.8) - s(0.8), s(-0.8) - s(1.6), s(0.8) + s(1.6) - 0.2],
        },
        ClosedForm {
            loss: "robust logistic",
            value: robust(0.8) + robust(-0.8) + robust(-1.6),
            grad: [-s(-0.8) - s(0.8) - 0.25, s(-0.8) - s(1.6), s(0.8) + s(1.6) + 0.25],
        },
        ClosedForm {
            loss: "logistic beyond a target margin",
            value: ln(1.0 + e(0.5 - 0.8)) + ln(1.0 + e(0.5 + 0.8)) + ln(1.0 + e(0.5 + 1.6)),
            grad: [-s(-0.3) - s(1.3), s(-0.3) - s(2.1), s(1.3) + s(2.1)],
        },
        ClosedForm {
            loss: "nca",
            value: -0.8 * ln(s(0.3))
                - 0.2 * ln(s(-0.5))
                - third * (ln(s(-0.3)) + ln(s(0.5)) + ln(s(-1.1))),
            grad: [third * s(0.3) - 0.8 * s(-0.3), third * s(-0.5) - 0.2 * s(0.5), third * s(1.1)],
        },
        ClosedForm {
            loss: "pro",
            value: -ln(e(0.3) / first) - ln(e(0.25 * -0.5) / second),
            grad: [
                e(0.3) / first - 1.0,
                0.75 * e(0.75 * -0.5) / first + 0.25 * (e(0.25 * -0.5) / second - 1.0),
                e(1.1) / first + 0.25 * e(0.25 * 1.1) / second,
            ],
        },
    ]
}

#[test]
fn losses_of_other_objectives_of_three_items() {
    let forms = forms_of_other_objectives();
    assert_eq!(forms.len(), objective_losses().len());
    for ClosedForm { loss: name, value, grad } in forms {
        let loss = common::loss(name);
        let (got, slopes) = value_and_grad::<f64>(&*loss, &SCORES, &LABELS, None, None);
        assert_close(name, got, value, 1e-13);
        assert_all_close(name, &slopes, &grad, 1e-13);
    }
}

#[test]
fn any_list_is_its_definition() {
    fn holds<F: Real>(list: &TestList, tolerance: f64) {
        let list = list.existing().rounded::<F>();
        let (scores, labels, weights) = (list.scores(), list.labels(), list.weights());
        for (name, loss) in losses() {
            let defined = Definition::of(name, &list);
            let (value, grad) = value_and_grad::<F>(&*loss, &scores, &labels, None, Some(&weights));
            assert_close(name, value, defined.value, tolerance * (1.0 + defined.value));
            let largest = defined.scale().into_iter().fold(1.0, f64::max);
            assert_all_close(name, &grad, &defined.grad(), tolerance * largest);
        }
    }
    for_all(500, &batches(items(), 1..=1, 0..=6), |lists| {
        holds::<f32>(&lists[0], 1e-6);
        holds::<f64>(&lists[0], 1e-12);
    });
}
