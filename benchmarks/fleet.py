"""Microseconds per training step and trial: this engine and its peers, in one run.

    python benchmarks/fleet.py [--threads 1] [--repeats 5] [--largest 1024]

Two networks, dropout .2 and L1 and L2 of 1e-4 on in all: the owner's 2-50-50-1 at batch 32, and
64-256-256-10 at batch 128. Contenders:

* ``textbook``: DataLoader, nn.Sequential, torch.optim.Adam, L1 summed over the parameters; and the
  same with the batches at hand (``no DataLoader``);
* ``scikit-learn``: MLPClassifier, one fit of one epoch, its L2 on (it has neither dropout nor L1);
* ``vmap``: ``torch.func`` over stacked modules with dropout, gradients by ``grad``, Adam over the
  stacked parameters;
* ``engine``: FleetRun.step, of K trials.

Rounds of all contenders are repeated; a contender's figure is the median of its rounds, since a
shared machine drifts. A step is timed over at least a tenth of a second.
"""

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from worker.data import Outline, Prepared, Table, prepare
from worker.data.table import categorical, numeric
from worker.search import plan
from worker.search.memory import bytes_per_trial
from worker.spec import JobSpec, Trial
from worker.training import FleetRun, tune_processor

PENALTY, P = 1e-4, 0.2
SIZES = (1, 4, 16, 64, 256, 1024)


class Problem:
    """A network's shape and rows to train it on."""

    def __init__(self, widths: tuple[int, ...], batch: int, rows: int) -> None:
        self.widths, self.batch = widths, batch
        draw = np.random.default_rng(0)
        self.x = draw.normal(size=(rows, widths[0])).astype(np.float32)
        classes = max(2, widths[-1])
        self.y = (np.abs(self.x).sum(1) * 7).astype(np.int64) % classes
        self.classes = classes

    @property
    def name(self) -> str:
        """For the table."""
        return "-".join(map(str, self.widths)) + f", batch {self.batch}"

    def module(self) -> nn.Sequential:
        """One network, as textbooks write it."""
        layers: list[nn.Module] = []
        for inputs, outputs in zip(self.widths, self.widths[1:], strict=False):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(P)]
        return nn.Sequential(*layers[:-2])

    def loss(self, scores: Tensor, y: Tensor) -> Tensor:
        """The mean data loss."""
        if self.widths[-1] == 1:
            return functional.binary_cross_entropy_with_logits(scores[..., 0], y.float())
        return functional.cross_entropy(scores, y)

    def members(
        self,
        trials: int,
        *,
        one_seed: bool = False,
        regularization: dict[str, Any] | None = None,
        activation: str = "relu",
    ) -> tuple[list[Trial], Prepared, int]:
        """Trials of a fleet, each with its own seed or all with one; their data; bytes reckoned.

        Of L1, L2 and dropout unless told.
        """
        spec = JobSpec.model_validate(
            {
                "dataset": "ds_benchmark0",
                "target": "y",
                "split": {"validation": 0.0},
                "preprocessing": {"numeric": "none"},
                "network": {
                    "kind": "mlp", "hidden": list(self.widths[1:-1]), "activation": activation
                },
                "regularization": {
                    "l1": {"strength": PENALTY}, "l2": {"strength": PENALTY}, "dropout": {"p": P}
                } if regularization is None else regularization,
                "training": {"epochs": 1, "batch_size": self.batch},
            }
        )  # fmt: skip
        columns = [numeric(f"x{n}", column) for n, column in enumerate(self.x.T.astype(float))]
        labels = [str(c) for c in range(self.classes)]
        table = Table.of([*columns, categorical("y", labels, self.y.astype(np.int32))])
        outline = Outline.of(table, spec)
        ((trial,),) = (fleet.trials for fleet in plan(spec, outline))
        seeded = [
            trial.training.model_copy(update={"seed": 0 if one_seed else n}) for n in range(trials)
        ]
        members = [
            trial.model_copy(update={"configuration": n, "training": training})
            for n, training in enumerate(seeded)
        ]
        return members, prepare(table, spec), bytes_per_trial(members, outline)

    def run(self, trials: int) -> FleetRun:
        """A fleet of this engine."""
        members, prepared, _ = self.members(trials)
        return FleetRun(members, prepared)


def textbook(problem: Problem, *, loader: bool) -> Iterator[None]:
    """Endless steps of one network."""
    model = problem.module()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=2 * PENALTY)
    x, y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
    data = DataLoader(TensorDataset(x, y), batch_size=problem.batch, shuffle=True)
    at_hand = list(zip(x.split(problem.batch), y.split(problem.batch), strict=True))
    while True:
        for features, labels in data if loader else at_hand:
            optimizer.zero_grad()
            loss = problem.loss(model(features), labels)
            loss = loss + PENALTY * sum(w.abs().sum() for w in model.parameters())
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()
            yield


def stacked(problem: Problem, trials: int) -> Iterator[None]:
    """Endless steps of K networks by torch.func."""
    models = [problem.module() for _ in range(trials)]
    parameters, _ = stack_module_state(models)
    base = problem.module().to("meta")

    def total(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        scores = functional_call(base, weights, (x,))
        size = sum(w.abs().sum() + w.square().sum() for w in weights.values())
        return problem.loss(scores, y) + PENALTY * size

    step = vmap(grad(total), in_dims=(0, None, None), randomness="different")
    leaves = [leaf.detach().clone() for leaf in parameters.values()]
    optimizer = torch.optim.Adam(leaves, lr=0.001)
    batches = list(
        zip(
            torch.from_numpy(problem.x).split(problem.batch),
            torch.from_numpy(problem.y).split(problem.batch),
            strict=True,
        )
    )
    while True:
        for x, y in batches:
            gradients = step(dict(zip(parameters, leaves, strict=True)), x, y)
            for leaf, gradient in zip(leaves, gradients.values(), strict=True):
                leaf.grad = gradient
            optimizer.step()
            yield


def engine(run: FleetRun) -> Iterator[None]:
    """Endless steps of a fleet."""
    machine, epoch = run.engine, 0
    while True:
        machine.start_epoch(epoch)
        for batch in range(machine.batches):
            run.step(batch)
            yield
        epoch += 1


def seconds_a_step(steps: Iterator[None], least: float = 0.1) -> float:
    """The mean over some steps, after one that is not counted."""
    next(steps)
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < least or count < 3:
        next(steps)
        count += 1
    return passed / count


def scikit_learn(problem: Problem) -> Callable[[], float]:
    """Seconds a step: ten epochs, less one."""

    def fit(epochs: int) -> float:
        model = MLPClassifier(
            problem.widths[1:-1], alpha=PENALTY, batch_size=problem.batch, max_iter=epochs,
            n_iter_no_change=epochs, tol=0.0, random_state=0,
        )  # fmt: skip
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(problem.x, problem.y)
        return time.perf_counter() - start

    steps = -(-len(problem.x) // problem.batch)
    return lambda: (fit(6) - fit(1)) / (5 * steps)


def measure(problem: Problem, largest: int, repeats: int) -> dict[str, tuple[int, float]]:
    """Contender → (trials, median seconds a step)."""
    sizes = [size for size in SIZES if size <= largest]
    loops: dict[str, tuple[int, Iterator[None]]] = {
        "textbook": (1, textbook(problem, loader=True)),
        "textbook, no DataLoader": (1, textbook(problem, loader=False)),
    }
    loops |= {f"vmap K={k}": (k, stacked(problem, k)) for k in sizes if k in (1, 4, 64)}
    loops |= {f"engine K={k}": (k, engine(problem.run(k))) for k in sizes}
    fit = scikit_learn(problem)
    times: dict[str, list[float]] = {name: [] for name in ["scikit-learn", *loops]}
    for _ in range(repeats):
        times["scikit-learn"].append(fit())
        for name, (_, steps) in loops.items():
            times[name].append(seconds_a_step(steps))
    trials = {"scikit-learn": 1} | {name: k for name, (k, _) in loops.items()}
    return {name: (trials[name], statistics.median(values)) for name, values in times.items()}


def report(problem: Problem, found: dict[str, tuple[int, float]]) -> None:
    """Print one network's table."""
    base = found["textbook"][1]
    print(f"\n{problem.name}")
    print(f"{'':<26}{'µs a step':>12}{'and trial':>12}{'textbook /':>12}")
    for name, (trials, seconds) in found.items():
        each = seconds / trials
        print(f"{name:<26}{seconds * 1e6:>12.1f}{each * 1e6:>12.1f}{base / each:>12.1f}")


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description="Microseconds per training step and trial.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--largest", type=int, default=1024)
    options: Any = parser.parse_args()
    tune_processor(options.threads)
    print(
        f"torch {torch.__version__}, {options.threads} thread(s), {platform.machine()}, "
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, median of {options.repeats}"
    )
    owners = Problem((2, 50, 50, 1), batch=32, rows=1024)
    wide = Problem((64, 256, 256, 10), batch=128, rows=1280)
    for problem in (owners, wide):
        report(problem, measure(problem, options.largest, options.repeats))


if __name__ == "__main__":
    main()
