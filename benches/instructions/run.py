#!/usr/bin/env python3
"""Has a kernel lost its vectors? Counts the instructions of each with callgrind, against limits.csv.

    benches/instructions/run.py            # fails where a kernel needs more than its limit
    benches/instructions/run.py --update   # after a change of kernels: measures, and rewrites the limits

Timings differ from machine to machine and from run to run; instructions hardly do. The limits are for
x86-64 with AVX2 and FMA, which is what valgrind gives to programs on any newer processor: AVX-512 is
not there under it. Where that is not so, nothing is held to them.
"""

import argparse
import csv
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "driver"))

from driver import DTYPES, LOSSES, PAPER, Shape, Worker, build, over_pairs, write_lists

LIMITS = HERE / "limits.csv"
SHAPES = [Shape(1, 8), Shape(512, 2), Shape(256, 8), Shape(32, 64), Shape(4, 1024)]
# Of what goes the same ways through the engine as the paper's losses, short and long lists are enough.
FEWER = [Shape(256, 8), Shape(4, 1024)]
LEFT_OUT = {"robust", "label-difference", "lambda-ndcg"}  # cdpo and lambda-linear with other coefficients
SLOW = {"pro", "approx-ndcg"}  # a number at a time: short lists show all
SLACK = 1.3  # over what was measured: compilers differ, a scalar kernel takes several times as many
FEATURES = ["x86_64", "avx2", "fma"]
COUNTED = [loss for loss in LOSSES if loss not in LEFT_OUT]


def shapes(loss):
    return SHAPES if loss in PAPER else FEWER[:1] if loss in SLOW else FEWER


def measure():
    """Instructions of one call of each kernel, by (loss, dtype, shape); None on another instruction set."""
    kernels = [(loss, dtype, shape) for loss in COUNTED for dtype in DTYPES for shape in shapes(loss)]
    with tempfile.TemporaryDirectory(prefix="lipo-instructions-") as folder:
        folder = Path(folder)
        for shape in SHAPES:
            write_lists(shape, folder)
        # Collects within the driver's function `counted` alone; each call of it ends a file.
        counted = "lipo_driver::counted"
        command = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={folder / 'counts'}"]
        command += [f"--toggle-collect={counted}", f"--dump-after={counted}", build()]
        driver = Worker(command, folder)
        if driver.features() != FEATURES:
            driver.close()
            return None
        for loss, dtype, shape in kernels:
            driver.load(loss, dtype, shape)
            driver.result()  # a first call, in which the workspace grows
            driver.ask("count")
        driver.close()
        return {kernel: total(folder / f"counts.{nth}") for nth, kernel in enumerate(kernels, 1)}


def total(file):
    """The instructions in a file of callgrind's."""
    for line in file.read_text().splitlines():
        if line.startswith(("totals:", "summary:")):
            return int(line.split()[1])
    raise SystemExit(f"no total in {file}")


def unit(loss):
    return "pair" if over_pairs(loss) else "item"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="rewrite the limits")
    update = parser.parse_args().update

    counts = measure()
    if counts is None:
        print(f"NOTHING CHECKED: the limits are for {' '.join(FEATURES)}, which is not what valgrind has here")
        return
    per_term = {kernel: count / kernel[2].terms(kernel[0]) for kernel, count in counts.items()}

    if update:
        with LIMITS.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["loss", "dtype", "lists", "size", "limit", "unit"])
            for (loss, dtype, shape), count in per_term.items():
                rows.writerow([loss, dtype, shape.lists, shape.size, f"{SLACK * count:.4g}", f"instructions/{unit(loss)}"])
    with LIMITS.open(newline="") as file:
        limits = {
            (row["loss"], row["dtype"], Shape(int(row["lists"]), int(row["size"]))): float(row["limit"])
            for row in csv.DictReader(file)
        }
    if limits.keys() != per_term.keys():
        raise SystemExit(f"{LIMITS.name} is not about the kernels that are counted: run --update")

    grown = []
    print(f"{'instructions per pair or item':30}" + "".join(f"{shape!s:>20}" for shape in SHAPES))
    for loss in COUNTED:
        for dtype in DTYPES:
            cells = ""
            for shape in SHAPES:
                if shape not in shapes(loss):
                    cells += "–".rjust(20)
                    continue
                count, limit = per_term[loss, dtype, shape], limits[loss, dtype, shape]
                cells += f"{count:>10.4g} (≤ {limit:.4g})".rjust(20)
                if count > limit:
                    grown.append(f"{loss}, {dtype}, {shape}: {count:.4g} instructions per {unit(loss)}, limit {limit:.4g}")
            print(f"{loss + ', ' + dtype:30}{cells}")
    if grown:
        raise SystemExit("\nGrown over the limit:\n" + "\n".join(grown))


if __name__ == "__main__":
    main()
