#!/usr/bin/env python3
"""How fast is this crate beside Rax and JAX (and torch)? And what does a loss cost beside its neighbours here?

    benches/peers/run.py                     # everything, side by side: about ten minutes
    benches/peers/run.py --losses softmax,list-mle --shapes 64x1024 --dtype f32 --seconds 2
    benches/peers/run.py --no-peers          # this crate alone, without any Python package

Needs Rust, Python 3.11 or later, and PyPI for the peers, which go to a virtual environment under `target`.

All run value and gradient of the same lists (scores N(0, 2²), distinct labels in [0, 1), sums) on one core
with one thread, in turns, again and again. The figures are the least times of a call. Where a value or a
gradient differs from a peer's there is no ratio, but an error. targets.toml says which ratios are wanted.
"""

import argparse
import contextlib
import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "driver"))

from driver import DTYPES, LOSSES, ROOT, Shape, Worker, build, over_pairs, write_lists

TARGETS = tomllib.loads((HERE / "targets.toml").read_text())
COLUMNS = ["16384×2", "8192×4", "4096×8", "65536×8", "1024×64", "64×1024"]
EIGHT = "4096×8"  # what shorter lists are held against
OF_ITEMS_ALONE = "65536×8"  # what takes a few nanoseconds an item takes many items

# How far a value may differ from another's, relative to it, and a slope, relative to its list's largest.
# In f32 the peers add up in f32, which costs them five digits in the longest lists.
TOLERANCE = {"f32": 1e-4, "f64": 1e-11}

OURS = {"lipo", "beside", "plain"}  # the workers that are no peers

LEAST_TURN = 0.02  # seconds
LEAST_ROUNDS = 3
LONG_ROUND = 3.0  # seconds, of which one is enough: such calls are timed by the time of the processor


def names(text):
    if unknown := set(text.split(",")) - set(LOSSES):
        raise argparse.ArgumentTypeError(f"no such loss: {', '.join(sorted(unknown))}")
    return text.split(",")


def shapes(text):
    return [str(Shape.parse(part)) for part in text.split(",")]


def default_shapes(loss):
    return [shape for shape in COLUMNS if shape != OF_ITEMS_ALONE or not over_pairs(loss)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--losses", type=names, default=LOSSES, help="comma-separated (default: all)")
    parser.add_argument("--shapes", type=shapes, help="lists x size, such as 1024x64,64x1024")
    parser.add_argument("--dtype", choices=DTYPES, action="append", help="default: both")
    parser.add_argument("--seconds", type=float, default=0.5, help="for a loss and a shape (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all times there")
    parser.add_argument("--torch", action="store_true", help="install torch, a large download, where no Python has it")
    parser.add_argument("--plain", action="store_true", help="this crate without the feature `simd` as well")
    without = parser.add_mutually_exclusive_group()
    without.add_argument("--no-peers", action="store_true", help="this crate alone")
    without.add_argument("--peer-times", type=Path, metavar="FILE", help="take the peers' times from an earlier --json")
    options = parser.parse_args()
    options.dtype = options.dtype or list(DTYPES)
    return options


def peers_with_interpreters(install_torch):
    """Which Python runs which peer. Rax's is a virtual environment, made on the first run."""
    requirements = HERE / "requirements.txt"
    name = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:8]
    folder = ROOT / "target" / f"peers-{name}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"installing {', '.join(requirements.read_text().split())}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
        (folder / "complete").touch()
    interpreters = {"rax": python}
    has_torch = lambda python: not subprocess.run([python, "-c", "import numpy, torch"], capture_output=True).returncode
    if install_torch and not any(map(has_torch, [python, sys.executable])):
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch"], check=True)
    if with_torch := next(filter(has_torch, [python, sys.executable]), None):
        interpreters["torch"] = with_torch
    return interpreters


def one_thread():
    """The environment of a peer that is to use one thread."""
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    threads = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")
    return os.environ | threads | {"XLA_FLAGS": flags}


def largest_difference(ours, theirs, size):
    """The largest relative difference of two results: of the value, or of a slope, in parts of its list's
    largest, or of a hundredth of the batch's: in f32, JAX's small slopes are differences of numbers near 1
    (list-mle). NaN differs from everything."""
    (value, gradient), (other_value, other_gradient) = ours, theirs
    if len(gradient) != len(other_gradient):
        raise SystemExit("gradients of different sizes")
    differences = [(abs(value - other_value), abs(other_value))]
    least_scale = max(map(abs, other_gradient)) / 100
    for start in range(0, len(gradient), size):
        a, b = gradient[start : start + size], other_gradient[start : start + size]
        scale = max(least_scale, *map(abs, b))
        differences += [(abs(x - y), scale) for x, y in [max(zip(a, b), key=distance)]]
    return max((d / scale if scale else d) if d == d else float("inf") for d, scale in differences)


def distance(pair):
    difference = abs(pair[0] - pair[1])
    return difference if difference == difference else float("inf")


def measure(workers, loss, dtype, shape, seconds):
    """The least times of a call by worker, in nanoseconds, and how far the peers' results differ from ours.

    The worker `beside` runs the loss that this one is held against in targets.toml.
    """
    results = {}
    for name, worker in workers.items():
        if name == "beside":
            worker.load(TARGETS["grid"][loss]["beside"], dtype, shape)
            worker.result()
        else:
            worker.load(loss, dtype, shape)
            results[name] = worker.result()
    differences = {
        name: largest_difference(results["lipo"], result, shape.size) for name, result in results.items()
    }
    for name, difference in differences.items():
        if not difference <= TOLERANCE[dtype]:
            raise SystemExit(f"{loss}, {dtype}, {shape}: {name} differs by {difference:.1e}")
    times = dict.fromkeys(workers, float("inf"))
    start, turn, rounds, took = time.monotonic(), LEAST_TURN, 0, 0.0
    while (rounds < LEAST_ROUNDS and took < LONG_ROUND) or time.monotonic() - start < seconds:
        before = time.monotonic()
        for name, worker in workers.items():
            with alone(worker, workers.values()):
                times[name] = min(times[name], worker.time(turn))
        took = time.monotonic() - before
        # Beside calls of seconds, of which there are few, the faster ones still get many.
        turn = max(LEAST_TURN, took / 10)
        rounds += 1
    return times, differences


@contextlib.contextmanager
def alone(worker, workers):
    """Stops the others: threads of a peer's that wait by spinning would take half of the core."""
    others = [other.process for other in workers if other is not worker]
    for process in others:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in others:
            process.send_signal(signal.SIGCONT)


def machine(driver):
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
        models = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")]
    except OSError:
        models = []
    arch, *features = driver.features()
    return f"{(models or [platform.processor() or 'unknown'])[0]}, {arch}, {' '.join(features)}"


def versions():
    rev = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    rustc = subprocess.run(["rustc", "--version"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {
        "lipo": rev.stdout.strip() or "unknown",
        "rustc": rustc.stdout.split()[1],
        "python": platform.python_version(),
    }


def run(options, folder):
    """Everything that was asked for, as it goes to `--json`; `folder` is for lists and gradients."""
    program = build()
    programs = {"beside": [program], "lipo": [program]}
    if options.plain:
        programs["plain"] = [build(plain=True)]
    peers, known = {}, None
    if options.peer_times:
        known = json.loads(options.peer_times.read_text())
    elif not options.no_peers:
        peers = peers_with_interpreters(options.torch)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the workers inherit it

    report = {"versions": versions(), "cells": []}
    if known:
        report["versions"] = known["versions"] | report["versions"]
        report["peers_from"] = known["machine"]
    written = set()
    for dtype in options.dtype:
        workers = {
            peer: Worker([python, HERE / "peer.py", peer, dtype], folder, one_thread())
            for peer, python in peers.items()
        }
        workers |= {name: Worker(command, folder) for name, command in programs.items()}
        report["machine"] = machine(workers["lipo"])
        has = {"beside": TARGETS["grid"]} | {peer: set(workers[peer].ask("losses").split()) for peer in peers}
        for peer in peers:
            report["versions"] |= dict(part.split() for part in workers[peer].ask("versions").split(", "))
        for loss in options.losses:
            for text in options.shapes or default_shapes(loss):
                shape = Shape.parse(text)
                if shape not in written:
                    write_lists(shape, folder)
                    written.add(shape)
                print(f"{loss}, {dtype}, {shape}", file=sys.stderr)
                able = {name: worker for name, worker in workers.items() if loss in has.get(name, LOSSES)}
                with alone(None, [worker for name, worker in workers.items() if name not in able]):
                    times, differences = measure(able, loss, dtype, shape, options.seconds)
                if known:
                    times = known_times(known, loss, dtype, text) | times
                report["cells"].append(
                    {"loss": loss, "dtype": dtype, "shape": text, "ns": times, "difference": differences}
                )
                if options.json:
                    options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False))
        for worker in workers.values():
            worker.close()
    return report


def known_times(known, *key):
    """The peers' times in an earlier report."""
    for cell in known["cells"]:
        if (cell["loss"], cell["dtype"], cell["shape"]) == key:
            return {name: ns for name, ns in cell["ns"].items() if name not in OURS}
    return {}


def times_as_fast(other, loss, shape):
    """How many times as fast as a peer this crate shall be, or None."""
    if other != "rax":
        return None
    kind = TARGETS["peer"]["pairs" if over_pairs(loss) else "items"]
    return TARGETS["peer"].get(loss, kind).get(shape)


def print_table(title, cells, entry, named=str):
    """A table of losses by shapes; `entry` makes the text of a cell, or None, and `named` that of a loss."""
    entries = {(cell["loss"], cell["shape"]): entry(cell) for cell in cells}
    shapes = {shape for (_, shape), text in entries.items() if text}
    shapes = sorted(shapes, key=lambda s: COLUMNS.index(s) if s in COLUMNS else len(COLUMNS))
    if not shapes:
        return
    print(f"\n| {title} | {' | '.join(shapes)} |\n|---|{'---|' * len(shapes)}")
    for loss in LOSSES:
        row = [entries.get((loss, shape)) for shape in shapes]
        if any(row):
            print(f"| {named(loss)} | {' | '.join(text or '–' for text in row)} |")


def figure(number):
    """Three digits, or as many as are whole."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def print_report(report):
    print(f"{report['machine']}; " + ", ".join(f"{name} {v}" for name, v in report["versions"].items()))
    if "peers_from" in report:
        print(f"\n**Not one run:** the peers' times are from an earlier one ({report['peers_from']}).")
    names = list(dict.fromkeys(name for cell in report["cells"] for name in cell["ns"]))
    shown = [name for name in names if name != "beside"]
    met = total = 0

    def mark(holds, wanted):
        nonlocal met, total
        met, total = met + holds, total + 1
        return f"{wanted} {'✓' if holds else '✗'}"

    for dtype in DTYPES:
        cells = [cell for cell in report["cells"] if cell["dtype"] == dtype]
        eights = {cell["loss"]: cell["ns"]["lipo"] for cell in cells if cell["shape"] == EIGHT}
        for other in names:
            if other in OURS and other != "plain":
                continue

            def ratio(cell):
                if other not in cell["ns"]:
                    return None
                ratio = cell["ns"][other] / cell["ns"]["lipo"]
                wanted = times_as_fast(other, cell["loss"], cell["shape"])
                if wanted is None:
                    return f"{figure(ratio)}×"
                return f"{figure(ratio)}× ({mark(ratio >= wanted, f'≥ {wanted:g}')})"

            print_table(f"{dtype}, times as fast as {other}", cells, ratio)

        def beside(cell):
            if "beside" not in cell["ns"]:
                return None
            ratio, wanted = cell["ns"]["lipo"] / cell["ns"]["beside"], TARGETS["grid"][cell["loss"]]["at_most"]
            return f"{ratio:.2f}× ({mark(ratio <= wanted, f'≤ {wanted:g}')})"

        def named(loss):
            return f"{loss} / {TARGETS['grid'][loss]['beside']}"

        print_table(f"{dtype}, time beside another loss's", cells, beside, named)

        def short(cell):
            wanted = TARGETS["short"].get(cell["shape"])
            if dtype != "f32" or wanted is None or cell["loss"] not in eights:
                return None
            shape, eight = Shape.parse(cell["shape"]), Shape.parse(EIGHT)
            of_eight = eights[cell["loss"]] / (eight.lists * eight.size)
            ratio = cell["ns"]["lipo"] / (shape.lists * shape.size) / of_eight
            return f"{ratio:.2f}× ({mark(ratio <= wanted, f'≤ {wanted:g}')})"

        print_table(f"{dtype}, time of an item beside that in a list of 8", cells, short)

        def nanoseconds(cell):
            terms, ns = Shape.parse(cell["shape"]).terms(cell["loss"]), cell["ns"]
            return " / ".join(figure(ns[name] / terms) if name in ns else "–" for name in shown) if terms else None

        print_table(f"{dtype}, ns an item, in losses over pairs a pair: {' / '.join(shown)}", cells, nanoseconds)
    if total:
        print(f"\n{met} of {total} targets met.")


if __name__ == "__main__":
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="lipo-peers-") as folder:
        report = run(options, Path(folder))
    print_report(report)
