#!/usr/bin/env python3
"""The step of a trainer, end to end: how fast is this crate beside JAX and Rax?

    benches/peers/step.py                # 512 prompts × 8 responses × 256 tokens, f32, one thread
    benches/peers/step.py --threads 2    # this crate with the feature `rayon`, JAX with its threads

Needs what run.py needs. Both sides take log-probabilities of tokens under policy and reference with a mask,
and win probabilities; they give LiPO-λ's loss and its gradient by the policy's tokens. JAX compiles the whole
step by `jit` and derives the gradient itself. In turns on one core, the others stopped; the figures are the
least times of a call. A gradient that differs is an error.
"""

import argparse
import array
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from run import DTYPES, HERE, LEAST_ROUNDS, TOLERANCE, Worker, alone, build, figure, largest_difference, machine
from run import one_thread, peers_with_interpreters

LEAST_TURN = 0.2  # seconds


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="512x8x256", help="prompts x responses x tokens (default: %(default)s)")
    parser.add_argument("--dtype", choices=DTYPES, action="append", help="default: f32")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each type (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="how many each side may use (default: 1)")
    return parser.parse_args()


def write_input(shape, folder):
    """Tokens of policy and reference, from half to all of which exist; and Ψ of strengths in [-2, 2)."""
    lists, size, tokens = shape
    rng = random.Random(7)
    in_f32 = lambda numbers: array.array("d", array.array("f", numbers))
    policy = in_f32(-3.0 * rng.random() for _ in range(lists * size * tokens))
    reference = in_f32(x - 0.2 * (rng.random() - 0.5) - 0.1 for x in policy)
    mask, wins = array.array("d"), []
    for _ in range(lists):
        for _ in range(size):
            length = rng.randint(tokens // 2, tokens)
            mask.extend(float(token < length) for token in range(tokens))
        strengths = [rng.uniform(-2, 2) for _ in range(size)]
        wins.extend(0.5 + (a - b) / 8 for a in strengths for b in strengths)
    files = [folder / name for name in ("policy", "reference", "mask", "wins")]
    for file, numbers in zip(files, (policy, reference, mask, in_f32(wins))):
        file.write_bytes(numbers)
    return files


def main(options, folder):
    shape = [int(length) for length in options.shape.split("x")]
    several = options.threads > 1
    program, python = build(threads=several), peers_with_interpreters(False)["rax"]
    cores = sorted(os.sched_getaffinity(0))[-options.threads :]
    os.sched_setaffinity(0, cores)
    files = write_input(shape, folder)
    environment = dict(os.environ) if several else one_thread()
    for dtype in options.dtype or ["f32"]:
        workers = {
            "lipo": Worker([program], folder, os.environ | {"RAYON_NUM_THREADS": str(options.threads)}),
            "jax": Worker([python, HERE / "peer.py", "rax", dtype], folder, environment),
        }
        if several:
            workers["lipo, one thread"] = Worker([program], folder, os.environ | {"RAYON_NUM_THREADS": "1"})
        results, times = {}, dict.fromkeys(workers, float("inf"))
        for name, worker in workers.items():
            worker.ask("load-step", dtype, *shape, *files)
            results[name] = worker.result()
        for name, result in results.items():
            # By response: the tokens of one have one slope.
            difference = largest_difference(results["lipo"], result, shape[1] * shape[2])
            if not difference <= TOLERANCE[dtype]:
                raise SystemExit(f"{name} differs by {difference:.1e}")
        start, rounds = time.monotonic(), 0
        while rounds < LEAST_ROUNDS or time.monotonic() - start < options.seconds:
            for name, worker in workers.items():
                with alone(worker, workers.values()):
                    times[name] = min(times[name], worker.time(LEAST_TURN))
            rounds += 1
        if dtype == (options.dtype or ["f32"])[0]:
            versions = workers["jax"].ask("versions")
            print(f"{machine(workers['lipo'])}; {versions}; {len(cores)} core(s)\n\n| step, {options.shape} | µs | lipo is |\n|---|---|---|")
        for name, ns in times.items():
            print(f"| {dtype}, {name} | {figure(ns / 1e3)} | {ns / times['lipo']:.2f}× as fast |")
        for worker in workers.values():
            worker.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="lipo-step-") as folder:
        main(arguments(), Path(folder))
    sys.exit()
