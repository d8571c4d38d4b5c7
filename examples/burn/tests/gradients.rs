//! Both ways into burn's graph against lipo's own gradients, bit for bit, and against finite differences.

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, Element, Int, Tensor, TensorData};
use lipo::losses::{LambdaLoss, ListMle, LossExt, PairLogistic, Reduction, Softmax};
use lipo::{Error, Lists, Real, scores::ImplicitReward};
use lipo_burn::{losses, node::known_gradient, surrogate, to_array, to_tensor};
use ndarray::{Array2, array};

/// `surrogate` or `known_gradient`.
type Way<F> = fn(F, Tensor<2>, Tensor<2>) -> Tensor<1>;

fn ways<F: Real + Element>() -> [(&'static str, Way<F>); 2] {
    [("surrogate", |l, g, x| surrogate(l, g, x)), ("node", |l, g, x| known_gradient(l, g, x))]
}

fn leaf<F: Element>(x: &Array2<F>, device: &Device) -> Tensor<2> {
    let (rows, columns) = x.dim();
    let data = TensorData::new(x.iter().copied().collect(), [rows, columns]);
    Tensor::from_data(data, (device, F::dtype())).require_grad()
}

fn gradient<F: Element>(loss: &Tensor<1>, x: &Tensor<2>) -> Array2<F> {
    to_array(&x.grad(&loss.backward()).expect("a gradient"))
}

fn number<F: Element>(x: &Tensor<1>) -> F {
    x.clone().into_scalar()
}

/// Also in the sign of 0.
fn same_bits<F: Real>(a: &Array2<F>, b: &Array2<F>) -> bool {
    let bits = |x: &Array2<F>| x.iter().map(|x| x.widen().to_bits()).collect::<Vec<_>>();
    a.dim() == b.dim() && bits(a) == bits(b)
}

/// Numbers of every size in [-1, 1], none of which has few digits.
fn numbers<F: Real>(rows: usize, columns: usize, seed: f64) -> Array2<F> {
    Array2::from_shape_fn((rows, columns), |(n, k)| {
        #[allow(clippy::cast_precision_loss)]
        F::narrow((seed + 3.7 * n as f64 + 11.3 * k as f64).sin())
    })
}

fn labels<F: Real>(rows: usize, columns: usize) -> Array2<F> {
    numbers::<F>(rows, columns, 5.0).mapv(|x| F::narrow(0.5 + 0.5 * x.widen()))
}

fn agrees_with_lipo<F: Real + Element>() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    for device in [device.clone(), device.gradient_checkpointing()] {
        for (rows, columns) in [(1, 1), (1, 2), (5, 3), (3, 40)] {
            let scores = numbers::<F>(rows, columns, 0.0);
            for (name, loss) in losses() {
                let (value, grad) = loss.value_and_grad(&scores, &labels(rows, columns))?;
                for (way, known) in ways() {
                    let x = leaf(&scores, &device);
                    let node = known(value, to_tensor(grad.clone(), &x), x.clone());
                    assert_eq!(number::<F>(&node), value, "{name} by {way}");
                    assert!(same_bits(&gradient(&node, &x), &grad), "{name} by {way}");

                    // With something before, beside and after it: L' = 0.3·L(x) + Σ x².
                    let x = leaf(&scores, &device);
                    let node = known(value, to_tensor(grad.clone(), &x), x.clone());
                    let sum = node * 0.3 + x.clone().powi_scalar(2).sum();
                    let (three_tenths, two) = (F::narrow(0.3), F::narrow(2.0));
                    let expected = ndarray::Zip::from(&grad)
                        .and(&scores)
                        .map_collect(|&g, &s| (g * three_tenths + two * s).widen());
                    let found = gradient::<F>(&sum, &x).mapv(Real::widen);
                    let bound = 4.0 * F::epsilon().widen();
                    assert!(
                        (&found - &expected).iter().all(|e| e.abs() <= bound * 3.0),
                        "{name} by {way}: {found} and not {expected}"
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_have_the_bits_of_lipo_in_f32() -> Result<(), Error> {
    agrees_with_lipo::<f32>()
}

#[test]
fn gradients_have_the_bits_of_lipo_in_f64() -> Result<(), Error> {
    agrees_with_lipo::<f64>()
}

/// From logits through log-softmax, tokens and the implicit reward to the loss, as a trainer does.
#[test]
fn gradients_of_logits_are_finite_differences() -> Result<(), Error> {
    const H: f64 = 1e-5;
    let device = Device::flex().autodiff();
    let (rows, vocabulary) = (3, 7);
    let tokens = [[0, 3, 6, 1], [2, 2, 5, 4], [6, 0, 1, 3]];
    let tokens = Tensor::<2, Int>::from_data(tokens, &device);
    let reference = numbers::<f64>(rows, 4, 2.0).mapv(|x| x - 2.0);
    let psi = labels::<f64>(rows, 4);
    let scores = |logits: Tensor<2>| {
        let log_probs = log_softmax(logits, 1).gather(1, tokens.clone());
        (log_probs - leaf(&reference, &device).detach()) * 0.7
    };
    let logits = numbers::<f64>(rows, vocabulary, 1.0);
    for (name, loss) in losses() {
        // The weights of the lambda-loss are constants in its gradient; no step of H changes a rank.
        let value = |logits: &Array2<f64>| {
            loss.value(&to_array::<f64>(&scores(leaf(logits, &device))), &psi)
        };
        let mut expected = Array2::zeros(logits.dim());
        for place in ndarray::indices(logits.dim()) {
            let (mut below, mut above) = (logits.clone(), logits.clone());
            below[place] -= H;
            above[place] += H;
            expected[place] = (value(&above)? - value(&below)?) / (2.0 * H);
        }
        let mut found = Vec::new();
        for (way, known) in ways() {
            let x = leaf(&logits, &device);
            let scores = scores(x.clone());
            let (value, grad) = loss.value_and_grad(&to_array::<f64>(&scores), &psi)?;
            let grad = gradient::<f64>(&known(value, to_tensor(grad, &scores), scores), &x);
            assert!(grad.iter().any(|g| g.abs() > 1e-3), "{name} by {way}");
            let error = (&grad - &expected).iter().fold(0.0_f64, |a, e| a.max(e.abs()));
            assert!(error < 1e-8, "{name} by {way}: {error}");
            found.push(grad);
        }
        assert!(same_bits(&found[0], &found[1]), "{name}");
    }
    Ok(())
}

/// The reward, too, may be lipo's: the node then sits at the log-probabilities.
#[test]
fn rewards_may_be_computed_on_either_side() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let reward = ImplicitReward::new(0.05)?;
    let policy = numbers::<f64>(4, 5, 0.0).mapv(|x| x - 3.0);
    let reference = numbers::<f64>(4, 5, 7.0).mapv(|x| x - 3.0);
    let psi = labels::<f64>(4, 5);
    let loss = LambdaLoss;

    let x = leaf(&policy, &device);
    let (value, grad) = loss.value_and_grad(&reward.scores(&to_array(&x), &reference)?, &psi)?;
    let by_lipo = reward.backward(&grad);
    let node = known_gradient(value, to_tensor(by_lipo.clone(), &x), x.clone());
    assert!(same_bits(&gradient(&node, &x), &by_lipo));

    let x = leaf(&policy, &device);
    let scores = (x.clone() - leaf(&reference, &device).detach()) * 0.05;
    let (value, grad) = loss.value_and_grad(&to_array::<f64>(&scores), &psi)?;
    let by_burn = gradient::<f64>(&surrogate(value, to_tensor(grad, &scores), scores), &x);
    assert!((by_burn - by_lipo).iter().all(|e| e.abs() < 1e-15));
    Ok(())
}

/// The node does not look at padding; before the surrogate, it is filled.
#[test]
fn padding_may_hold_anything() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let scores = array![[0.3_f32, f32::NEG_INFINITY, -0.2], [0.1, 0.7, f32::NAN]];
    let mask = array![[true, false, true], [true, true, false]];
    let psi = array![[1.0_f32, 0.0, 0.5], [0.0, 1.0, 0.0]];
    let lists = Lists::dense(&scores, &psi).mask(&mask).build()?;
    let (value, grad) = Softmax.reduced(&lists, Reduction::default())?;
    assert_eq!((grad[[0, 1]], grad[[1, 2]]), (0.0, 0.0));

    let x = leaf(&scores, &device);
    let node = known_gradient(value, to_tensor(grad.clone(), &x), x.clone());
    assert_eq!(number::<f32>(&node), value);
    assert!(same_bits(&gradient(&node, &x), &grad));

    let x = leaf(&scores, &device);
    let unfilled = surrogate(value, to_tensor(grad.clone(), &x), x.clone());
    assert!(number::<f32>(&unfilled).is_nan(), "as its documentation says");
    let padding = [[false, true, false], [false, false, true]];
    let filled = x.clone().mask_fill(Tensor::from_data(padding, &device), 0.0);
    let filled = surrogate(value, to_tensor(grad.clone(), &x), filled);
    assert_eq!(number::<f32>(&filled), value);
    assert!(same_bits(&gradient(&filled, &x), &grad));
    Ok(())
}

#[test]
fn without_autodiff_there_is_the_value_alone() {
    let device = Device::flex();
    let x = Tensor::<2>::from_data([[0.5_f32, -0.5]], &device);
    for (_, known) in ways::<f32>() {
        let loss = known(0.75, x.clone(), x.clone());
        assert_eq!(number::<f32>(&loss), 0.75);
        assert!(!loss.is_tracked());
    }
}

/// Half precision: lipo computes in `f32`, and the graph keeps its type.
#[test]
fn half_precision_goes_through_f32() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let scores = numbers::<f32>(2, 4, 0.0);
    for (way, known) in ways::<f32>() {
        for dtype in [DType::F16, DType::BF16] {
            let x = leaf(&scores, &device).cast(dtype).detach().require_grad();
            let (value, grad) = ListMle.value_and_grad(&to_array(&x), &labels(2, 4))?;
            let loss = known(value, to_tensor(grad.clone(), &x), x.clone());
            assert_eq!(loss.dtype(), dtype, "{way}");
            let found = gradient::<f32>(&loss, &x);
            assert!((found - grad).iter().all(|e| e.abs() < 4e-3), "{way}");
        }
    }
    Ok(())
}

/// Tensors and arrays keep the order of their numbers, transposed or not.
#[test]
fn arrays_and_tensors_may_be_transposed() {
    let device = Device::flex();
    let x = Tensor::<2>::from_data([[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]], &device);
    let expected = array![[1.0_f32, 4.0], [2.0, 5.0], [3.0, 6.0]];
    assert_eq!(to_array::<f32>(&x.clone().transpose()), expected);
    let back = to_tensor(expected.reversed_axes(), &x);
    assert_eq!(back.to_data(), x.to_data());
}

#[test]
fn a_score_that_is_no_number_is_an_error() {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::from_data([[0.5_f32, f32::NAN]], &device);
    let error = PairLogistic.value_and_grad(&to_array(&x), &array![[1.0, 0.0]]);
    assert!(matches!(error, Err(Error::NotFinite { .. })), "{error:?}");
}
