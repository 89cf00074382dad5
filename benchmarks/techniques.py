"""What each technique costs in a step, beside plain PyTorch and beside the engine's own dropout.

    python benchmarks/techniques.py [--techniques batch_norm noise_weights] [--rounds 5]
        [--sizes 1 16 64] [--networks owner wide] [--threads 1]

Every technique for tables stands beside dropout .2 and L2 of 1e-4, which all have and which alone
are the base; DropConnect and alpha dropout (with SELU) stand instead of dropout. Of each:

* µs of processor time a step and trial of the engine, in fleets of K trials, each with its seed;
* ``/ base``: beside the engine's base at the same K;
* ``/ plain``: beside the same technique as a plain module and optimizer in a loop (`_plain.py`).

Base, technique and plain module are measured in turn, round by round, and a ratio is the median of
its rounds', so that a machine that drifts or is shared does little harm. Techniques that act at the
end of an epoch or on images are not here (`images.py`), nor those of residual branches.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from typing import Any

from _plain import steps as plain_steps
from _shared import machine
from fleet import PENALTY, P, Problem, engine

from worker.training import FleetRun, tune_processor

BASE = "base"
ADDED: dict[str, dict[str, Any]] = {
    BASE: {},
    "batch_norm": {"batch_norm": {}},
    "layer_norm": {"layer_norm": {}},
    "alpha_dropout": {"dropout": None, "alpha_dropout": {"p": P}},
    "drop_connect": {"dropout": None, "drop_connect": {"p": P}},
    "noise_input": {"noise": {"input": 0.1}},
    "noise_activations": {"noise": {"input": 0.0, "activations": 0.1}},
    "noise_weights": {"noise": {"input": 0.0, "weights": 0.01}},
    "adversarial": {"adversarial": {"epsilon": 0.05}},
    "group_lasso": {"group_lasso": {"strength": 1e-4}},
    "l1": {"l1": {"strength": 1e-4}},
    "l1_proximal": {"l1": {"strength": 1e-4, "method": "proximal"}},
    "elastic_net": {"elastic_net": {"strength": 1e-4}},
    "orthogonality": {"orthogonality": {"strength": 1e-4}},
    "weight_decay": {"l2": None, "weight_decay": {"strength": 0.01}},
    "max_norm": {"max_norm": {"norm": 3.0}},
    "label_smoothing": {"label_smoothing": {"smoothing": 0.1}},
    "confidence_penalty": {"confidence_penalty": {"strength": 0.1}},
    "class_weights": {"class_weights": {}},
    "jacobian": {"jacobian": {"strength": 0.01}},
    "mixup": {"mixup": {}},
    "cutmix": {"cutmix": {}},
    "cutout": {"cutout": {}},
    "ema": {"ema": {}},
    "lookahead": {"lookahead": {}},
}
"""By the name in the table: what changes in the base's regularization."""
NETWORKS = {"owner": ((2, 50, 50, 1), 32, 1024), "wide": ((64, 256, 256, 10), 128, 1280)}
"""Widths, batch, rows."""
LEAST = 0.04
"""Seconds over which a step is measured at least."""


def settings(technique: str) -> dict[str, Any]:
    """A job's regularization."""
    base = {"dropout": {"p": P}, "l2": {"strength": PENALTY}}
    merged = base | ADDED[technique]
    return {name: value for name, value in merged.items() if value is not None}


def fleet_of(problem: Problem, technique: str, trials: int) -> Iterator[None]:
    """Endless steps of the engine."""
    activation = "selu" if technique == "alpha_dropout" else "relu"
    members, prepared, _ = problem.members(
        trials, regularization=settings(technique), activation=activation
    )
    return engine(FleetRun(members, prepared))


def processor_seconds(steps: Iterator[None]) -> float:
    """Processor time a step, the mean over a few."""
    count, start = 0, time.process_time()
    while (passed := time.process_time() - start) < LEAST or count < 2:
        next(steps)
        count += 1
    return passed / count


def measure(
    problem: Problem, technique: str, base: Iterator[None], trials: int, rounds: int
) -> tuple[float, float, float]:
    """Seconds a step and trial; beside the base; beside the plain module."""
    own, plain = fleet_of(problem, technique, trials), plain_steps(problem, technique)
    rows: list[tuple[float, float, float]] = []
    for loop in (base, own, plain):
        for _ in range(3):
            next(loop)
    for _ in range(rounds):
        beside, seconds, alone = (processor_seconds(loop) for loop in (base, own, plain))
        rows.append((seconds / trials, seconds / beside, seconds / trials / alone))
    each, to_base, to_plain = zip(*rows, strict=True)
    return statistics.median(each), statistics.median(to_base), statistics.median(to_plain)


def report(name: str, techniques: list[str], sizes: list[int], rounds: int) -> None:
    """Print one network's table, line by line."""
    problem = Problem(*NETWORKS[name])
    print(f"\n{problem.name}")
    print(f"{'':<20}" + "".join(f"{f'K={k}, µs':>12}{'/ base':>8}{'/ plain':>8}" for k in sizes))
    bases = {k: fleet_of(problem, BASE, k) for k in sizes}
    for technique in techniques:
        line = f"{technique:<20}"
        for trials in sizes:
            each, to_base, to_plain = measure(problem, technique, bases[trials], trials, rounds)
            line += f"{each * 1e6:>12.1f}{to_base:>8.2f}{to_plain:>8.2f}"
        print(line, flush=True)


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description="What each technique costs in a step.")
    parser.add_argument("--techniques", nargs="+", choices=list(ADDED), default=list(ADDED))
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options: Any = parser.parse_args()
    tune_processor(options.threads)
    print(f"{machine(options.threads)}, median of {options.rounds}")
    for name in options.networks:
        report(name, options.techniques, options.sizes, options.rounds)


if __name__ == "__main__":
    main()
