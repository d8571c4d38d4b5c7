"""Runs another library's losses on lists from files: `peer.py rax|torch f32|f64`.

Answers the same commands as `../driver/src/main.rs`, and `losses` and `versions`. Rax's functions are taken
as they are and compiled by `jax.jit`. Losses that Rax does not have are written in JAX here, and torch's in
torch, as one would write them.
"""

import functools
import math
import os
import sys
import time

import numpy as np


class Rax:
    def __init__(self, dtype):
        os.environ["JAX_ENABLE_X64"] = "1" if dtype == "f64" else "0"
        os.environ["JAX_PLATFORMS"] = "cpu"
        import jax
        import jax.numpy as jnp
        import rax

        self.jax, self.array = jax, jnp.asarray
        self.versions = f"rax {rax.__version__}, jax {jax.__version__}"

        def softmax(scores, labels, **options):
            return rax.softmax_loss(scores, labels, label_fn=rax.utils.normalize_probabilities, **options)

        def logistic(weight, **of_weight):
            weight = functools.partial(weight, **of_weight)
            return functools.partial(rax.pairwise_logistic_loss, lambdaweight_fn=weight)

        def approx_ndcg(scores, labels, **options):
            """`rax.approx_t12n(rax.ndcg_metric)`, which needs `jax.util`, gone from the JAX of requirements.txt."""
            soft = {"rank_fn": rax.utils.approx_ranks, "cutoff_fn": rax.utils.approx_cutoff}
            soft = {name: functools.partial(function, step_fn=jax.nn.sigmoid) for name, function in soft.items()}
            return -rax.ndcg_metric(scores, labels, **soft, **options)

        self.losses = {
            "point-mse": rax.pointwise_mse_loss,
            "point-sigmoid": rax.pointwise_sigmoid_loss,
            "pair-hinge": rax.pairwise_hinge_loss,
            "pair-logistic": rax.pairwise_logistic_loss,
            "list-mle": rax.listmle_loss,
            "softmax": softmax,
            "lambda-loss": logistic(rax.dcg_lambdaweight),
            "lambda-linear": logistic(rax.dcg_lambdaweight, gain_fn=lambda labels: labels),
            "lambda-cutoff": logistic(rax.dcg_lambdaweight, topn=10),
            "lambda-ndcg": logistic(rax.dcg_lambdaweight, normalize=True),
            "label-difference": logistic(rax.labeldiff_lambdaweight),
            "rank-distance": logistic(rax.dcg2_lambdaweight),
            "soft-zero-one": rax.pairwise_soft_zero_one_loss,
            "squared-gap": rax.pairwise_mse_loss,
            "approx-ndcg": approx_ndcg,
        }
        self.scaled_by_size = {"lambda-loss", "lambda-linear", "lambda-cutoff", "lambda-ndcg", "rank-distance"}
        self.losses |= by_hand(jax, rax)

    def step(self, name):
        """A function of scores and labels that gives value and gradient."""
        loss, total = self.losses[name], self.jax.numpy.sum
        step = self.jax.jit(self.jax.value_and_grad(lambda *arrays: loss(*arrays, reduce_fn=total)))
        return lambda *arrays: self.jax.block_until_ready(step(*arrays))

    def token_step(self, beta):
        """A function of tokens [N, K, T] of policy and reference, their mask and win probabilities [N, K, K]
        that gives the lambda-loss and its gradient by the policy's tokens."""
        jnp, loss = self.jax.numpy, self.losses["lambda-loss"]

        def value(policy, reference, mask, wins):
            lists, size, _ = policy.shape
            policy, reference = (jnp.where(mask, tokens, 0).sum(-1) for tokens in (policy, reference))
            scores, psi = beta * (policy - reference), wins.mean(-1)
            return loss(scores, psi, reduce_fn=jnp.sum) / (lists * size)

        step = self.jax.jit(self.jax.value_and_grad(value))
        return lambda *arrays: self.jax.block_until_ready(step(*arrays))

    def factor(self, name, size):
        """What this crate's figures are multiplied by to be Rax's."""
        if name == "squared-gap":
            return 2.0  # it takes both orders of a pair
        return size if name in self.scaled_by_size else 1.0


def by_hand(jax, rax):
    """Losses that Rax does not have, written as Rax writes its own: over masked matrices of all pairs."""
    jnp, softplus = jax.numpy, jax.nn.softplus

    def differences(x):
        return x[..., :, None] - x[..., None, :]

    def pair_loss(function, weight=None):
        def loss(scores, labels, *, reduce_fn):
            terms = function(differences(scores))
            if weight is not None:
                terms *= weight(jax.lax.stop_gradient(scores), labels)
            return reduce_fn(jnp.where(differences(labels) > 0, terms, 0.0))

        return loss

    def expected(scores, labels):
        """The lambda weight, in expectation over the orders of equal scores."""
        discounts = 1.0 / jnp.log2(1.0 + rax.utils.ranks(scores))
        tied = differences(scores) == 0
        group = tied.sum(-1)
        means = jnp.where(tied, discounts[..., None, :], 0.0).sum(-1) / group
        gaps = jnp.where(tied, jnp.abs(differences(discounts)), 0.0).sum(-1)
        within = jnp.where(tied, gaps[..., None, :], 0.0).sum(-1) / jnp.maximum(group * (group - 1), 1)
        between = jnp.abs(differences(means))
        return jnp.abs(differences(2.0**labels)) * jnp.where(tied, within[..., None], between)

    def soft_targets(scores, labels, targets, *, reduce_fn):
        return reduce_fn(targets * softplus(-differences(scores)))

    def nca(scores, labels, *, reduce_fn):
        shares = labels / labels.sum(-1, keepdims=True)
        return reduce_fn(shares * softplus(-scores) + softplus(scores) / scores.shape[-1])

    def pro(scores, labels, *, reduce_fn):
        order = jnp.argsort(-labels, axis=-1)
        scores, labels = (jnp.take_along_axis(x, order, -1) for x in (scores, labels))
        last = labels[..., -1:]
        inverse_temperatures = differences(labels)
        diagonal = jnp.eye(scores.shape[-1], dtype=bool)
        inverse_temperatures = jnp.where(diagonal, (labels - last)[..., None], inverse_temperatures)
        logits = inverse_temperatures * scores[..., None, :]
        rest = jnp.where(jnp.triu(jnp.ones_like(diagonal)), logits, -jnp.inf)
        terms = jax.nn.logsumexp(rest, axis=-1) - (labels - last) * scores
        return reduce_fn(terms[..., :-1])

    return {
        "cdpo": pair_loss(lambda d: 0.9 * softplus(-d) + 0.1 * softplus(d)),
        "robust": pair_loss(lambda d: (0.9 * softplus(-d) - 0.1 * softplus(d)) / 0.8),
        "simpo": pair_loss(lambda d: softplus(0.5 - d)),
        "ipo": pair_loss(lambda d: (d - 0.5) ** 2),
        "hinge-0.999": pair_loss(lambda d: jax.nn.relu(0.999 - d)),
        "lambda-expected": pair_loss(lambda d: softplus(-d), expected),
        "nca": nca,
        "pro": pro,
        "pair-logistic+targets": soft_targets,
    }


class Torch:
    def __init__(self, dtype):
        import torch

        torch.set_num_threads(1)
        self.torch, self.array = torch, torch.from_numpy
        self.losses = ["point-mse", "point-sigmoid", "pair-hinge", "pair-logistic", "list-mle", "softmax", "lambda-loss"]
        self.versions = f"torch {torch.__version__}"

    def step(self, name):
        loss = getattr(self, name.replace("-", "_"))

        def step(scores, labels):
            scores = scores.detach().requires_grad_()
            value = loss(scores, labels)
            value.backward()
            return value.detach(), scores.grad

        return step

    def factor(self, name, size):
        return 1.0

    def point_mse(self, scores, labels):
        return self.torch.nn.functional.mse_loss(scores, labels, reduction="sum")

    def point_sigmoid(self, scores, labels):
        return self.torch.nn.functional.binary_cross_entropy_with_logits(scores, labels, reduction="sum")

    def softmax(self, scores, labels):
        return -(labels / labels.sum(-1, keepdim=True) * scores.log_softmax(-1)).sum()

    def list_mle(self, scores, labels):
        ordered = scores.gather(-1, labels.argsort(dim=-1, descending=True, stable=True))
        return (ordered.flip(-1).logcumsumexp(-1).flip(-1) - ordered).sum()

    def pairs(self, scores, labels):
        """Margins of all ordered pairs, and which of them count: [N, K, K]."""
        return scores[..., :, None] - scores[..., None, :], labels[..., :, None] > labels[..., None, :]

    def pair_hinge(self, scores, labels):
        margins, ordered = self.pairs(scores, labels)
        return (ordered * (1 - margins).relu()).sum()

    def pair_logistic(self, scores, labels):
        margins, ordered = self.pairs(scores, labels)
        return (ordered * self.torch.nn.functional.softplus(-margins)).sum()

    def lambda_loss(self, scores, labels):
        margins, ordered = self.pairs(scores, labels)
        ranks = scores.detach().argsort(dim=-1, descending=True, stable=True).argsort(dim=-1) + 1
        inverse_discounts = math.log(2) / self.torch.log1p(ranks.to(scores.dtype))
        gains = self.torch.exp2(labels) - 1
        difference = lambda x: (x[..., :, None] - x[..., None, :]).abs()
        weights = difference(gains) * difference(inverse_discounts)
        return (ordered * weights * self.torch.nn.functional.softplus(-margins)).sum()


PEERS = {"rax": Rax, "torch": Torch}
TYPES = {"f32": np.float32, "f64": np.float64}


def main(library, dtype):
    peer = PEERS[library](dtype)
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    for line in sys.stdin:
        command, *words = line.split()
        if command == "load":
            name, _, lists, size, *files = words
            numbers = [np.fromfile(file).reshape(-1, int(lists), int(size)) for file in files]
            if name.endswith("+targets"):
                labels = numbers[1]
                targets = (1 + labels[..., :, None] - labels[..., None, :]) / 2
                numbers.append(np.where(np.eye(int(size), dtype=bool), 0, targets))
            numbers = [array.astype(TYPES[dtype]) for array in numbers]
            batches = [tuple(map(peer.array, batch)) for batch in zip(*numbers)]
            step, factor = peer.step(name), peer.factor(name, int(size))
            answer = "ok"
        elif command == "load-step":
            _, lists, size, tokens, *files = words
            lists, size, tokens = map(int, (lists, size, tokens))
            policy, reference, mask, wins = (np.fromfile(file).reshape(lists, size, -1) for file in files)
            batch = [array.astype(TYPES[dtype]) for array in (policy, reference)] + [mask != 0, wins.astype(TYPES[dtype])]
            batches, step, factor = [tuple(map(peer.array, batch))], peer.token_step(beta=0.05), 1.0
            answer = "ok"
        elif command == "result":
            value, gradient = step(*batches[0])
            (np.asarray(gradient, np.float64) / factor).tofile(words[0])
            answer = repr(float(value) / factor)
        elif command == "time":
            answer = "%d %r" % timing(step, batches, float(words[0]))
        elif command == "losses":
            answer = " ".join(peer.losses)
        elif command == "versions":
            answer = peer.versions
        else:
            raise SystemExit(f"not a command: {line}")
        print(answer, file=answers, flush=True)


def timing(step, batches, budget):
    """How many calls fit into a time, at least one, and the least time of one in nanoseconds."""
    calls, least = 0, math.inf
    start = time.perf_counter_ns()
    while calls == 0 or time.perf_counter_ns() - start < budget * 1e9:
        batch = batches[calls % len(batches)]
        before, used_before = time.perf_counter_ns(), time.process_time_ns()
        step(*batch)
        took, used = time.perf_counter_ns() - before, time.process_time_ns() - used_before
        # On a machine with other work, a call of milliseconds never has the processor to itself.
        least = min(least, used, took)
        calls += 1
    return calls, least


if __name__ == "__main__":
    main(*sys.argv[1:])
