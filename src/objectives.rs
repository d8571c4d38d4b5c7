//! The published preference objectives, each as the expression of this crate that is it.
//!
//! There is nothing to import from here: an objective is a reward of [`scores`](crate::scores), a
//! loss of [`losses`](crate::losses), and labels in which the better response has the higher one.
//!
//! | objective | reward | loss | where it is from |
//! |---|---|---|---|
//! | DPO | `ImplicitReward::new(β)?` | `PairLogistic` | Rafailov et al., [2305.18290], Eq. 7 |
//! | cDPO | `ImplicitReward::new(β)?` | `PairLoss::unweighted(SmoothedLogistic::new(ε)?)` | Mitchell 2023, [cdpo.pdf] |
//! | robust DPO | `ImplicitReward::new(β)?` | `PairLoss::unweighted(RobustLogistic::new(ε)?)` | Chowdhury et al., [2403.00409], Section 3 |
//! | IPO | `ImplicitReward::new(1.0)?` | `PairLoss::unweighted(SquaredDifference::new(1.0 / (2.0 * τ))?)` | Azar et al., [2310.12036], Eq. 17 |
//! | SLiC-HF | `ReferenceFreeReward::new(1.0)?` | `PairLoss::unweighted(Hinge::new(δ)?)` | Zhao et al., [2305.10425] |
//! | SLiC (norm) | `ImplicitReward::new(β)?` | `PairHinge` | Liu et al., [2309.06657]; LiPO, Eq. 6 |
//! | SimPO | mean, `ReferenceFreeReward::new(β)?` | `PairLoss::unweighted(TargetMargin::new(Logistic, γ)?)` | Meng et al., [2405.14734], Eq. 6 |
//! | NCA | `ImplicitReward::new(β)?` | `Nca`, labels e^(r/α) | Chen et al., [2402.05369], Section 4 |
//! | InfoNCA | `ImplicitReward::new(β)?` | `Softmax`, labels e^(r/α) | Chen et al., [2402.05369], Section 3 |
//! | PRO | mean, `ReferenceFreeReward::new(1.0)?` | `Pro`, labels r | Song et al., [2306.17492] |
//! | RRHF | mean, `ReferenceFreeReward::new(1.0)?` | `PairLoss::unweighted(Hinge::new(0.0)?)`, labels r | Yuan et al., [2304.05302] |
//! | DPO-PL | `ImplicitReward::new(β)?` | `ListMle` | Rafailov et al., [2305.18290], Appendix A.3 |
//! | LiPO-λ | `ImplicitReward::new(β)?` | `LambdaLoss` | Liu et al., [2402.01878], Eq. 8 |
//! | f-DPO | `FDivergenceReward::new(β, divergence)?` | `PairLogistic` | Wang et al., [2309.16240], Theorem 1 |
//! | CPO | `ReferenceFreeReward::new(β)?` | `PairLogistic` | Xu et al., [2401.08417] |
//! | DPO on probabilities | `ImplicitReward::new(β)?` | `PairLogistic` over lists with targets Ψ | [`ListsBuilder::targets`](crate::lists::ListsBuilder::targets) |
//!
//! *Mean* is [`SequenceLogProbs::Mean`](crate::scores::SequenceLogProbs::Mean): log-probabilities
//! averaged over the tokens of a response. r are the rewards of responses, known beforehand.
//! `tests/suite/objectives.rs` holds each line, at K = 2, to its paper's formula in arithmetic of 1050
//! digits, the value and the gradient with respect to the policy's log-probabilities.
//!
//! SLiC-HF, RRHF, PRO and CPO add a multiple of the negative log-likelihood of one response, which
//! is no ranking loss: its gradient is that multiple, negative, at the response's log-probability.
//!
//! ```
//! use lipo::losses::{
//!     Hinge, LambdaLoss, ListMle, Logistic, Loss, LossExt, Nca, PairHinge, PairLogistic, PairLoss,
//!     Pro, RobustLogistic, SmoothedLogistic, Softmax, SquaredDifference, TargetMargin,
//! };
//! use lipo::scores::{ImplicitReward, ReferenceFreeReward, SequenceLogProbs};
//! use ndarray::array;
//!
//! // A winner and a loser: log-probabilities of their tokens, and sums under the reference.
//! let tokens = array![[-1.0, -0.5, -1.5], [-2.0, -1.0, 0.0]];
//! let mask = array![[true, true, true], [true, true, false]];
//! let (sums, means) = (
//!     SequenceLogProbs::Sum.log_probs(&tokens, &mask)?,
//!     SequenceLogProbs::Mean.log_probs(&tokens, &mask)?,
//! );
//! let reference = array![-4.0, -2.5];
//! let (labels, rewards) = (array![1.0, 0.0], array![2.0, 0.5]);
//!
//! let implicit = |beta| ImplicitReward::new(beta)?.scores(&sums, &reference);
//! let free = |beta| ReferenceFreeReward::new(beta)?.scores(&means);
//! let is = |value: f64, figure: f64| assert!((value - figure).abs() < 1e-6, "{value}");
//!
//! // The margin of the implicit rewards is β ((-3 + 4) - (-3 + 2.5)) = 1.5 β.
//! let scores = implicit(2.0)?;
//! is(PairLogistic.value(&scores, &labels)?, 0.048587); // DPO: log(1 + e^-3)
//! is(PairLoss::unweighted(SmoothedLogistic::new(0.1)?).value(&scores, &labels)?, 0.348587); // cDPO
//! is(PairLoss::unweighted(RobustLogistic::new(0.1)?).value(&scores, &labels)?, -0.326413); // rDPO
//! is(PairHinge.value(&implicit(0.5)?, &labels)?, 0.25); // SLiC (norm)
//! is(PairLoss::unweighted(SquaredDifference::new(5.0)?).value(&implicit(1.0)?, &labels)?, 12.25); // IPO
//! is(ListMle.value(&scores, &labels)?, 0.048587); // DPO-PL
//! is(LambdaLoss.value(&scores, &labels)?, 0.017932); // LiPO-λ
//! is(Nca.value(&scores, &labels)?, 1.347023); // log(1 + e^-2) + (log(1 + e^2) + log(1 + e^-1))/2
//! is(Softmax.value(&scores, &labels)?, 0.048587); // InfoNCA
//!
//! // The means are -1 and -1.5, those of a reference do not matter.
//! is(PairLoss::unweighted(TargetMargin::new(Logistic, 0.5)?).value(&free(2.0)?, &labels)?, 0.474077); // SimPO
//! is(Pro.value(&free(1.0)?, &rewards)?, 0.386871); // log(1 + e^-(1.5 · 0.5))
//! is(PairLoss::unweighted(Hinge::new(0.0)?).value(&free(1.0)?, &rewards)?, 0.0); // RRHF
//! let slic_hf = PairLoss::unweighted(Hinge::new(1.0)?);
//! is(slic_hf.value(&ReferenceFreeReward::new(1.0)?.scores(&sums)?, &labels)?, 1.0);
//! # Ok::<(), lipo::Error>(())
//! ```
//!
//! TRL's names of these are in the [guide](crate::guide::trl).
//!
//! [2305.18290]: https://arxiv.org/abs/2305.18290
//! [cdpo.pdf]: https://ericmitchell.ai/cdpo.pdf
//! [2403.00409]: https://arxiv.org/abs/2403.00409
//! [2310.12036]: https://arxiv.org/abs/2310.12036
//! [2305.10425]: https://arxiv.org/abs/2305.10425
//! [2309.06657]: https://arxiv.org/abs/2309.06657
//! [2405.14734]: https://arxiv.org/abs/2405.14734
//! [2402.05369]: https://arxiv.org/abs/2402.05369
//! [2306.17492]: https://arxiv.org/abs/2306.17492
//! [2304.05302]: https://arxiv.org/abs/2304.05302
//! [2402.01878]: https://arxiv.org/abs/2402.01878
//! [2309.16240]: https://arxiv.org/abs/2309.16240
//! [2401.08417]: https://arxiv.org/abs/2401.08417
