"""Seconds for the four-configuration experiment, side by side in one run.

    python benchmarks/train.py [--repeats 5] [--threads 1]

Compared on the owner's problem (1,000 points, 2-50-50-1, Adam .01, batch 32, 50 epochs; no
regularization, L1, coupled decay, dropout):

* ``textbook``: DataLoader, nn.Sequential, torch.optim.Adam, one model after another;
* ``scikit-learn``: MLPClassifier, four fits (it has L2 only, so all four are alike);
* ``fleet``: this service's engine, K = 4, metrics of every epoch measured in eval mode as well;
* ``fleet, no metrics``: the same without measuring, which is what the textbook loop does.

The order is shuffled in every repeat, since a shared machine drifts; medians are compared.
"""

import argparse
import os
import platform
import random
import statistics
import time
import warnings
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from worker.data import Outline, load_builtin, prepare
from worker.search import plan
from worker.spec import Builtin, BuiltinName, JobSpec
from worker.training import FleetRun, tune_processor

EPOCHS = 50
CONFIGURATIONS: list[dict[str, Any]] = [
    {"name": "none", "regularization": {}},
    {"name": "L1", "regularization": {"l1": {"strength": 0.01, "biases": True}}},
    {
        "name": "coupled decay",
        "regularization": {"weight_decay": {"strength": 0.01, "method": "coupled", "biases": True}},
    },
    {"name": "dropout", "regularization": {"dropout": {"p": 0.5}}},
]
CIRCLE = Builtin(builtin=BuiltinName.CIRCLE, rows=1000, seed=42)
SPEC = JobSpec.model_validate(
    {
        "dataset": CIRCLE,
        "split": {"validation": 0.0},
        "preprocessing": {"numeric": "none"},
        "training": {
            "epochs": EPOCHS,
            "batch_size": 32,
            "optimizer": {"kind": "adam", "learning_rate": 0.01},
        },
        "compare": CONFIGURATIONS,
    }
)


def textbook(x: torch.Tensor, y: torch.Tensor) -> None:
    """One model after another, as textbooks write it."""
    for l1, decay, p in ((0, 0, 0), (0.01, 0, 0), (0, 0.01, 0), (0, 0, 0.5)):
        model = nn.Sequential(
            nn.Linear(2, 50), nn.ReLU(), nn.Dropout(p),
            nn.Linear(50, 50), nn.ReLU(), nn.Dropout(p),
            nn.Linear(50, 1),
        )  # fmt: skip
        criterion = nn.BCEWithLogitsLoss()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=decay)
        loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
        for _ in range(EPOCHS):
            model.train()
            total = 0.0
            for features, labels in loader:
                optimizer.zero_grad()
                loss = criterion(model(features), labels)
                if l1:
                    loss = loss + l1 * sum(w.abs().sum() for w in model.parameters())
                loss.backward()
                optimizer.step()
                total += loss.item()


def scikit_learn(x: np.ndarray, y: np.ndarray) -> None:
    """Four fits of the same length."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for alpha in (0.0, 0.01, 0.01, 0.0):
            MLPClassifier(
                (50, 50), alpha=alpha, batch_size=32, learning_rate_init=0.01, max_iter=EPOCHS,
                n_iter_no_change=EPOCHS, tol=0.0, random_state=0,
            ).fit(x, y)  # fmt: skip


def fleet(run: FleetRun) -> None:
    """Train with metrics after every epoch."""
    for _ in run.epochs():
        pass


def fleet_without_metrics(run: FleetRun) -> None:
    """Train, measuring nothing."""
    engine = run.engine
    for epoch in range(EPOCHS):
        engine.start_epoch(epoch)
        for batch in range(engine.batches):
            run.step(batch)


def seconds(function: Callable[..., None], *arguments: Any) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    tune_processor(options.threads)

    table, target = load_builtin(CIRCLE)
    prepared = prepare(table, SPEC, target)
    (planned,) = plan(SPEC, Outline.of(table, SPEC, target))
    x, y = prepared.x[0], prepared.y[0]
    features, labels = torch.from_numpy(x), torch.from_numpy(y).float()[:, None]

    contenders: dict[str, Callable[[], float]] = {
        "textbook": lambda: seconds(textbook, features, labels),
        "scikit-learn": lambda: seconds(scikit_learn, x, y),
        "fleet": lambda: seconds(fleet, FleetRun(planned.trials, prepared)),
        "fleet, no metrics": lambda: seconds(
            fleet_without_metrics, FleetRun(planned.trials, prepared)
        ),
    }
    for run in contenders.values():
        run()  # warm up: first calls load kernels
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in count(1):
        for name in random.sample(list(contenders), len(contenders)):
            times[name].append(contenders[name]())
        if repeat == options.repeats:
            break

    print(
        f"torch {torch.__version__}, {options.threads} thread(s), {platform.machine()}, "
        f"{os.cpu_count()} CPUs, median of {options.repeats}"
    )
    base = statistics.median(times["textbook"])
    print(f"{'':<20}{'seconds':>9}{'min':>8}{'max':>8}{'of textbook':>13}")
    for name, values in times.items():
        median = statistics.median(values)
        print(
            f"{name:<20}{median:>9.2f}{min(values):>8.2f}{max(values):>8.2f}{median / base:>13.3f}"
        )


if __name__ == "__main__":
    main()
