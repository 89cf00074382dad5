"""Convolutional networks: what regularization brings on Fashion-MNIST, or what a step takes.

    python benchmarks/images.py [../shared/data] [--rows 10000] [--epochs 20] [--repeats 3]
    python benchmarks/images.py --steps [--repeats 3]

With ``--steps``, milliseconds of processor time a step and trial at K = 1, 4 and 8, and for an
evaluation, beside a plain loop of PyTorch, channels last and not, in turn (``_image_steps.py``); no
data set is needed. Else a small network on Fashion-MNIST, regularized and not, on the same rows.

Both twins have the same layers (two convolutions, one dense), the same seeds, batches, optimizer
and number of epochs, and train together as one fleet. One has batch normalization, dropout before
the output, random crops by a pixel and horizontal flips; the other has nothing. They train on the
first rows of the official training part and are measured once, at the end, on the official test
rows. The settings were chosen on training rows 10,000 to 14,999.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from _image_steps import measure, problems, report
from _shared import arguments, machine, present, spread

from worker.data import Outline, Table, prepare, read_table
from worker.search import plan
from worker.spec import JobSpec
from worker.training import FleetRun, compute_exactly, tune_processor

REGULARIZATION: dict[str, Any] = {
    "batch_norm": {},
    "dropout": {"p": [0.0, 0.0, 0.3]},
    "random_crop": {"padding": 1},
    "flip": {"horizontal": 0.5},
}


def load(path: Path, rows: int) -> tuple[Table, dict[str, list[int]]]:
    """The first training rows and all official test rows, and where they are in the table."""
    whole = read_table(path)
    train, test = whole.parts["train"], whole.parts["test"]
    rows = min(rows, train)
    table = whole.select(np.r_[0:rows, train : train + test])
    return table, {"train": list(range(rows)), "test": list(range(rows, rows + test))}


def job(rows: dict[str, list[int]], epochs: int, repeats: int) -> JobSpec:
    """The two twins, all seeds."""
    return JobSpec.model_validate(
        {
            "dataset": "ds_benchmark",
            "target": "y",
            "split": {"rows": rows},
            "network": {"kind": "cnn", "channels": [16, 32], "hidden": [64]},
            "training": {
                "epochs": epochs,
                "batch_size": 64,
                "optimizer": {"kind": "adam", "learning_rate": 0.002},
                "schedule": {"kind": "cosine"},
            },
            "compare": [
                {"name": "unregularized", "regularization": {}},
                {"name": "regularized", "regularization": REGULARIZATION},
            ],
            "repeats": repeats,
        }
    )


def train(table: Table, spec: JobSpec) -> dict[str, dict[str, list[float]]]:
    """Accuracy in percent of each twin's seeds at the end, by name and part.

    The run is stepped by hand, as in ``benchmarks/train.py``: to measure 20,000 images after every
    epoch takes a third of the time and decides nothing.
    """
    (planned,) = plan(spec, Outline.of(table, spec))
    run = FleetRun(planned.trials, prepare(table, spec))
    engine = run.engine
    for epoch in range(spec.training.epochs):
        engine.start_epoch(epoch)
        for batch in range(engine.batches):
            run.step(batch)
    metrics = engine.measure()
    found: dict[str, dict[str, list[float]]] = {}
    for row, trial in enumerate(planned.trials):
        for part in ("train", "test"):
            value = 100 * float(metrics[f"{part}_accuracy"][row])
            found.setdefault(trial.name, {}).setdefault(part, []).append(value)
    return found


def main() -> None:
    """Run and print the table."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--rows", type=int, default=10_000, help="rows to train on")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--steps", action="store_true", help="time steps instead")
    options = parser.parse_args()
    if options.steps:
        tune_processor(options.threads)
        compute_exactly()
        print(f"{machine(options.threads)}, median of {options.repeats}, processor time")
        for problem in problems():
            report(problem, measure(problem, options.repeats))
        return
    path = present(options.data / "fashion-mnist" / "fashion-mnist.npz", "Fashion-MNIST")
    tune_processor(options.threads)
    table, rows = load(path, options.rows)
    start = time.perf_counter()
    found = train(table, job(rows, options.epochs, options.repeats))
    seconds = time.perf_counter() - start
    print(machine(options.threads))
    print(
        f"Fashion-MNIST: {len(rows['train']):,} train, {len(rows['test']):,} test rows; "
        f"{options.epochs} epochs; {options.repeats} seeds; {seconds:.0f} s for the fleet"
    )
    print(f"{'accuracy, %':<24}{'mean':>8}{'sd':>7}{'min':>8}{'max':>8}")
    for name, parts in found.items():
        for part, values in parts.items():
            print(f"{name + ', ' + part:<24}{spread(values)}")
    pairs = zip(found["regularized"]["test"], found["unregularized"]["test"], strict=True)
    gains = [regularized - plain for regularized, plain in pairs]
    print(f"{'gain on test, by seed':<24}{spread(gains)}")


if __name__ == "__main__":
    main()
