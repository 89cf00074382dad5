"""What measuring at the end of an epoch takes, beside the epoch's steps.

    python benchmarks/evaluation.py [--threads 1] [--rounds 5] [--only circle]

Each problem trains some batches and is then measured as every epoch is, in turn; processor time,
medians. The share is that of the whole epoch: all its steps, and one measuring. The data are drawn
at random: what is measured does not depend on what they say.
"""

import argparse
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

from _shared import drawn_table, machine

from worker.data import Outline, prepare
from worker.search import plan
from worker.spec import JobSpec
from worker.training import FleetRun, compute_exactly, tune_processor

MOST_SECONDS = 0.5
"""Of steps, in a round."""


@dataclass(frozen=True)
class Problem:
    """A data set and a network."""

    name: str
    rows: int
    shape: tuple[int, ...]
    network: dict[str, Any]
    batch: int
    trials: tuple[int, ...]

    def run(self, trials: int) -> FleetRun:
        """A fleet of so many trials of one seed."""
        table = drawn_table(self.rows, self.shape)
        spec = JobSpec.model_validate(
            {
                "dataset": "ds_benchmark0",
                "target": "y",
                "network": self.network,
                "regularization": {"l2": {"strength": 1e-4}, "dropout": {"p": 0.2}},
                "training": {"batch_size": self.batch},
            }
        )
        ((trial,),) = (fleet.trials for fleet in plan(spec, Outline.of(table, spec)))
        members = [trial.model_copy(update={"configuration": n}) for n in range(trials)]
        return FleetRun(members, prepare(table, spec))


OWNERS, WIDE = {"hidden": [50, 50]}, {"hidden": [256, 256]}
PROBLEMS = (
    Problem("circle, 2-50-50-1", 1_000, (2,), {"kind": "mlp", **OWNERS}, 32, (1, 64, 256)),
    Problem("20,000 x 200, 256-256", 20_000, (200,), {"kind": "mlp", **WIDE}, 256, (1, 4)),
    Problem("100,000 x 25, 256-256", 100_000, (25,), {"kind": "mlp", **WIDE}, 256, (1, 4)),
    Problem("100,000 x 25, 64", 100_000, (25,), {"kind": "mlp", "hidden": [64]}, 256, (1, 16)),
    Problem("1,797 images 8x8", 1_797, (1, 8, 8), {"kind": "cnn"}, 32, (1, 4)),
    Problem("2,000 images 28x28", 2_000, (1, 28, 28), {"kind": "cnn"}, 64, (1,)),
    Problem("60,000 images 28x28", 60_000, (1, 28, 28), {"kind": "cnn"}, 64, (1,)),
)


def seconds(run: FleetRun, rounds: int) -> tuple[float, float]:
    """Of all steps of an epoch, and of its end."""
    engine, steps, ends = run.engine, [], []
    for epoch in range(rounds):
        begin = process_time()
        engine.start_epoch(epoch)
        batch = 0
        while batch < engine.batches and (batch < 2 or process_time() - begin < MOST_SECONDS):
            run.step(batch)
            batch += 1
        steps.append((process_time() - begin) / batch * engine.batches)
        begin = process_time()
        engine.end_epoch(epoch)
        ends.append(process_time() - begin)
    return median(steps), median(ends)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="problems whose name begins so")
    options = parser.parse_args()
    tune_processor(options.threads)
    compute_exactly()
    print(machine(options.threads))
    print(f"{'ms of the processor':<28}{'K':>5}{'steps':>10}{'measuring':>11}{'share':>8}")
    for problem in PROBLEMS:
        for trials in problem.trials if problem.name.startswith(options.only) else ():
            steps, end = seconds(problem.run(trials), options.rounds)
            share = 100 * end / (steps + end)
            line = f"{problem.name:<28}{trials:>5}{1e3 * steps:>10.1f}{1e3 * end:>11.1f}"
            print(f"{line}{share:>7.1f}%", flush=True)


if __name__ == "__main__":
    main()
