"""The linear scorer of letor with losses computed by Rax: the same features, first weights, batches,
optimiser and number of epochs, so that what differs is the loss.

    pip install rax==0.4.0 jax==0.10.2
    cargo run --release --example letor -- TRAIN VALID
    python examples/letor_rax.py TRAIN VALID [target/letor]

Twice for each loss: as Rax has it, with its means over all items or pairs of a batch, which is what
`letor --reduction mean-over-terms` computes (but for softmax, whose labels Rax does not normalise);
and as a mean over lists of losses with this crate's conventions, which is letor's default. What it is
compared with is the run whose files are in the last argument.

Figures agree but for Rax's gradients at the first step, where all scores are 0: there it has
-1/2 - label for the 1/2 - label of the sigmoid loss, and 3/8 for the 1/2 of list-mle at two tied scores.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import rax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

BATCH, RATE = 16, 0.002  # letor's defaults
SHOWN = ["ndcg_1", "ndcg_3", "ndcg_5", "ndcg_10", "map"]


def read(path):
    """Dictionaries of features, grades, and the sizes of queries."""
    rows, grades, sizes, last = [], [], [], None
    for line in Path(path).read_text().splitlines():
        grade, *fields = line.split("#")[0].split()
        grades.append(float(grade))
        if fields and fields[0].startswith("qid:"):
            query = fields.pop(0)
            sizes.append(0) if query != last else None
            sizes[-1] += 1
            last = query
        rows.append({int(i): float(x) for i, x in (field.split(":") for field in fields)})
    if not sizes:
        sizes = [int(size) for size in Path(f"{path}.query").read_text().split()]
    return rows, np.array(grades), sizes


def dense(rows, columns):
    features = np.zeros((len(rows), columns))
    for row, values in zip(features, rows):
        row[list(values)] = list(values.values())
    return features


def padded(features, grades, sizes):
    """Queries as [queries, size, features], [queries, size] and a mask."""
    size = max(sizes)
    x = np.zeros((len(sizes), size, features.shape[1]))
    y, where = np.zeros((len(sizes), size)), np.zeros((len(sizes), size), bool)
    start = 0
    for query, count in enumerate(sizes):
        x[query, :count] = features[start : start + count]
        y[query, :count] = grades[start : start + count]
        where[query, :count] = True
        start += count
    return jnp.asarray(x), jnp.asarray(y), jnp.asarray(where)


def shares(labels, where):
    total = jnp.sum(labels, where=where, axis=-1, keepdims=True)
    return jnp.where(total == 0, 0.0, labels / jnp.where(total == 0, 1.0, total))


def dcg_weight(scores, labels, **options):
    return rax.dcg_lambdaweight(scores, labels, **options) / scores.shape[-1]


def of_rax(loss, **options):
    return lambda s, y, where: loss(s, y, where=where, **options)


def of_lists(loss, **options):
    """The mean over lists of sums over the terms of each."""
    return lambda s, y, where: loss(s, y, where=where, reduce_fn=jnp.sum, **options) / len(s)


LOSSES = {
    "point-mse": [f(rax.pointwise_mse_loss) for f in (of_rax, of_lists)],
    "point-sigmoid": [f(rax.pointwise_sigmoid_loss) for f in (of_rax, of_lists)],
    "pair-hinge": [f(rax.pairwise_hinge_loss) for f in (of_rax, of_lists)],
    "pair-logistic": [f(rax.pairwise_logistic_loss) for f in (of_rax, of_lists)],
    "list-mle": [f(rax.listmle_loss) for f in (of_rax, of_lists)],
    "softmax": [of_rax(rax.softmax_loss), of_lists(rax.softmax_loss, label_fn=shares)],
    "lambda-loss": [
        of_rax(rax.pairwise_logistic_loss, lambdaweight_fn=rax.dcg_lambdaweight),
        of_lists(rax.pairwise_logistic_loss, lambdaweight_fn=dcg_weight),
    ],
}


def fit(loss, x, y, where, orders):
    """The weights and the bias after all epochs, by Adam from 0."""

    def of_scorer(scorer, x, y, where):
        return loss(x @ scorer[:-1] + scorer[-1], y, where)

    grad = jax.jit(jax.grad(of_scorer))
    scorer = mean = square = jnp.zeros(x.shape[-1] + 1)
    steps = 0
    for order in orders:
        for start in range(0, len(order), BATCH):
            batch = jnp.asarray(order[start : start + BATCH])
            g = grad(scorer, x[batch], y[batch], where[batch])
            steps += 1
            mean = 0.9 * mean + 0.1 * g
            square = 0.999 * square + 0.001 * g * g
            step = (mean / (1 - 0.9**steps)) / (jnp.sqrt(square / (1 - 0.999**steps)) + 1e-8)
            scorer = scorer - RATE * step
    return scorer


def metrics(scorer, x, y, where):
    """NDCG@1, @3, @5, @10 and MAP of the queries with a relevant document."""
    relevant = jnp.any((y >= 1) & where, axis=-1)
    s, y, where = (x @ scorer[:-1] + scorer[-1])[relevant], y[relevant], where[relevant]
    ndcg = [rax.ndcg_metric(s, y, where=where, topn=n) for n in (1, 3, 5, 10)]
    return [100 * float(value) for value in (*ndcg, rax.ap_metric(s, y, where=where))]


def main(train, valid, out="target/letor"):
    (rows, grades, sizes), (valid_rows, valid_grades, valid_sizes) = read(train), read(valid)
    columns = 1 + max(max(row, default=0) for row in rows + valid_rows)
    x, valid_x = dense(rows, columns), dense(valid_rows, columns)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    scale = np.divide(1, deviation, out=np.zeros(columns), where=deviation > 0)
    x, y, where = padded((x - mean) * scale, grades, sizes)
    test = padded((valid_x - mean) * scale, valid_grades, valid_sizes)

    with open(Path(out) / "order.csv") as file:
        orders = [list(map(int, row)) for row in csv.reader(file)]
    found = defaultdict(dict)
    with open(Path(out) / "letor.csv") as file:
        for row in csv.DictReader(file):  # the last epoch stays
            found[row["loss"]] = [100 * float(row[name]) for name in SHOWN]

    print("| loss          | by            | NDCG@1 | NDCG@3 | NDCG@5 | NDCG@10 |   MAP  |")
    print("|---------------|---------------|-------:|-------:|-------:|--------:|-------:|")
    for loss, here in found.items():
        labels = y / max(1, grades.max()) if loss == "point-sigmoid" else y
        as_it_is, by_lists = (metrics(fit(f, x, labels, where, orders), *test) for f in LOSSES[loss])
        for who, figures in [("lipo", here), ("Rax, by lists", by_lists), ("Rax", as_it_is)]:
            cells = " | ".join(f"{x:{width}.2f}" for x, width in zip(figures, (6, 6, 6, 7, 6)))
            print(f"| {loss:13} | {who:13} | {cells} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
