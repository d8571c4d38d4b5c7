"""What benches/peers and benches/instructions share: lists, the driver, and how to talk to it."""

import array
import dataclasses
import os
import random
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = ROOT / "target" / "driver"

PAPER = ["point-mse", "point-sigmoid", "pair-hinge", "pair-logistic", "list-mle", "softmax", "lambda-loss"]
WEIGHTED = ["label-difference", "lambda-linear", "lambda-expected", "lambda-cutoff", "lambda-ndcg", "rank-distance"]
OTHER_PAIRS = ["cdpo", "robust", "simpo", "ipo", "hinge-0.999", "soft-zero-one", "squared-gap", *WEIGHTED]
WITH_MORE = ["pair-logistic+targets", "pair-logistic+diagonal", "lambda-loss+diagonal", "softmax+diagonal"]
LOSSES = [*PAPER, *OTHER_PAIRS, "nca", "pro", "approx-ndcg", *WITH_MORE]  # src/losses.rs has what they are
OVER_PAIRS = {"pair-hinge", "pair-logistic", "lambda-loss", "pro", "approx-ndcg", *OTHER_PAIRS}
DTYPES = ["f32", "f64"]


def over_pairs(loss):
    """Whether a loss takes O(K²) terms of a list."""
    return loss.split("+")[0] in OVER_PAIRS

LEAST_ITEMS = 32768  # fewer make lists that a branch predictor learns by heart


@dataclasses.dataclass(frozen=True)
class Shape:
    lists: int
    size: int

    @classmethod
    def parse(cls, text):
        lists, size = text.lower().replace("×", "x").split("x")
        shape = cls(int(lists), int(size))
        if shape.lists < 1 or shape.size < 1:
            raise ValueError(text)
        return shape

    def __str__(self):
        return f"{self.lists}×{self.size}"

    def terms(self, loss):
        """What the time of a call is divided by: unordered pairs or items."""
        if over_pairs(loss):
            return self.lists * self.size * (self.size - 1) // 2
        return self.lists * self.size


def write_lists(shape, folder):
    """Writes batches of scores N(0, 2²) and distinct labels in [0, 1).

    All numbers are exact in f32, so that both types hold the same lists.
    """
    rng = random.Random(f"{shape}")
    batches = -(-LEAST_ITEMS // (shape.lists * shape.size))
    scores, labels = array.array("f"), array.array("d")
    for _ in range(batches * shape.lists):
        scores.extend(rng.gauss(0.0, 2.0) for _ in range(shape.size))
        labels.extend(label / 2**24 for label in rng.sample(range(2**24), shape.size))
    for path, numbers in zip(list_files(shape, folder), (scores, labels)):
        path.write_bytes(array.array("d", numbers))


def list_files(shape, folder):
    """Where the scores and the labels are."""
    return [folder / f"{what}-{shape.lists}x{shape.size}" for what in ("scores", "labels")]


def build(plain=False, threads=False):
    """Builds the driver as a user would build: release mode, no flags. Returns the program's path."""
    target = TARGET / ("plain" if plain else "threads" if threads else "fast")
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", HERE / "Cargo.toml"]
    command += ["--target-dir", target] + ["--no-default-features"] * plain + ["--features=rayon"] * threads
    # Flags of the caller's (`-C target-cpu=native`) would measure another program.
    environment = {name: value for name, value in os.environ.items() if "RUSTFLAGS" not in name}
    subprocess.run(command, check=True, env=environment)
    return target / "release" / "lipo-driver"


class Worker:
    """A process that answers the driver's commands (src/main.rs): the driver, or a peer."""

    def __init__(self, command, folder, environment=None):
        self.folder = folder
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, *words):
        try:
            print(*words, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise SystemExit(f"{self.process.args[0]} ended at: {' '.join(map(str, words))}")
        return answer.strip()

    def load(self, loss, dtype, shape):
        self.ask("load", loss, dtype, shape.lists, shape.size, *list_files(shape, self.folder))

    def result(self):
        """Value and gradient of the first batch."""
        path = self.folder / "gradient"
        value = float(self.ask("result", path))
        gradient = array.array("d")
        gradient.frombytes(path.read_bytes())
        return value, gradient

    def time(self, seconds):
        """The least time of a call, in nanoseconds."""
        return float(self.ask("time", seconds).split()[1])

    def features(self):
        return self.ask("features").split()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()
