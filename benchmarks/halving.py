"""Successive halving beside the full random search of the same configurations, on phoneme.

    python benchmarks/halving.py [../shared/data] [--repeats 3] [--trials 64] [--epochs 54]
        [--eta 3] [--min-epochs 4] [--first 0]

64 configurations of learning rate, L1, L2 and dropout for a 5-64-64-1 network, each cross-validated
in 4 folds: the objective is the mean validation loss of the last epoch that it trained. The full
search trains all of them to the end; halving begins with the same ones and lets
all but one in three go after 4, 12 and 36 epochs. Each repeat draws other configurations.

"within" is how far halving's best lies above the full search's best, in standard errors of the
latter over its folds (√(Σ(x − x̄)² / (F − 1) / F)). "rank" is the place that the full search gives
to the configuration that halving chose.
"""

import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _shared import arguments, machine, present

from worker.data import Outline, Prepared, prepare, read_csv
from worker.search import Halving, Search
from worker.spec import JobSpec, Trial
from worker.training import FleetRun, tune_processor

FOLDS = 4
SPACE: dict[str, Any] = {
    "training.optimizer.learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
    "regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True},
    "regularization.l2.strength": {"low": 1e-6, "high": 1e-1, "log": True},
    "regularization.dropout.p": {"low": 0.0, "high": 0.7},
}


@dataclass(frozen=True)
class Found:
    """What one search came to."""

    losses: dict[int, list[float]]
    """Of each configuration, by fold; infinite where a trial diverged."""
    finished: frozenset[int]
    """The configurations that trained to the end."""
    trial_epochs: int
    seconds: float

    def mean(self, configuration: int) -> float:
        """Its objective."""
        return statistics.fmean(self.losses[configuration])

    @property
    def order(self) -> list[int]:
        """Those that trained to the end, best first."""
        return sorted(self.finished, key=self.mean)

    @property
    def standard_error(self) -> float:
        """Of the best one's objective, over its folds."""
        losses = self.losses[self.order[0]]
        return statistics.stdev(losses) / math.sqrt(len(losses))


def train(trials: Sequence[Trial], prepared: Prepared, halving: Halving | None) -> Found:
    """Train all of them as one fleet."""
    begin = time.perf_counter()
    run = FleetRun(trials, prepared, halving=halving)
    for _ in run.epochs():
        pass
    results = run.results()
    seconds = time.perf_counter() - begin
    losses: dict[int, list[float]] = {}
    for trial, result in zip(trials, results, strict=True):
        loss = result.metrics.get("validation_loss")
        losses.setdefault(trial.configuration, []).append(math.inf if loss is None else loss)
    epochs = run.engine.training.epochs
    return Found(
        losses=losses,
        finished=frozenset(
            trial.configuration
            for trial, result in zip(trials, results, strict=True)
            if result.epochs == epochs and result.error is None
        ),
        trial_epochs=sum(result.epochs for result in results),
        seconds=seconds,
    )


def compare(folder: Path, seed: int, options: Any) -> tuple[Found, Found]:
    """The full search and halving, of the configurations that a seed draws."""
    data = present(folder / "phoneme" / "phoneme.csv", "phoneme")
    spec = JobSpec.model_validate_json(
        json.dumps(
            {
                "dataset": "ds_phoneme0000000000000000",
                "target": "Class",
                "split": {"folds": FOLDS, "seed": 11},
                "network": {"kind": "mlp", "hidden": [64, 64]},
                "training": {"epochs": options.epochs, "batch_size": 128},
                "search": {
                    "method": "halving",
                    "trials": options.trials,
                    "space": SPACE,
                    "seed": seed,
                    "eta": options.eta,
                    "min_epochs": options.min_epochs,
                },
            }
        )
    )
    table = read_csv(data)
    outline, prepared = Outline.of(table, spec, "Class"), prepare(table, spec, "Class")
    search = Search(spec, outline)
    wave = search.wave(0)
    if wave is None or len(wave.plans) != 1:
        raise SystemExit("these configurations do not share a fleet; take fewer")
    (fleet,) = wave.plans
    rule = Halving(
        [trial.configuration for trial in fleet.trials],
        epochs=options.epochs,
        min_epochs=options.min_epochs,
        eta=options.eta,
        objective=search.objective,
        maximize=search.maximize,
    )
    return train(fleet.trials, prepared, None), train(fleet.trials, prepared, rule)


def main() -> None:
    """Run and print the table."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--trials", type=int, default=64, help="configurations")
    parser.add_argument("--epochs", type=int, default=54)
    parser.add_argument("--eta", type=int, default=3)
    parser.add_argument("--min-epochs", type=int, default=4)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    tune_processor(options.threads)
    print(machine(options.threads))
    print(f"{options.trials} configurations × {FOLDS} folds, {options.epochs} epochs")
    print(
        f"{'seed':>4}{'best, full':>12}{'± s.e.':>9}{'best, halving':>15}{'within':>9}{'rank':>6}"
        f"{'trial-epochs':>14}{'of full':>9}{'seconds':>9}{'of full':>9}"
    )
    for seed in range(options.first, options.first + options.repeats):
        full, halved = compare(options.data, seed, options)
        best, chosen = full.mean(full.order[0]), halved.order[0]
        distance = (halved.mean(chosen) - best) / full.standard_error
        print(
            f"{seed:>4}{best:>12.4f}{full.standard_error:>9.4f}{halved.mean(chosen):>15.4f}"
            f"{distance:>9.2f}{full.order.index(chosen) + 1:>6}{halved.trial_epochs:>14}"
            f"{halved.trial_epochs / full.trial_epochs:>9.3f}{halved.seconds:>9.1f}"
            f"{halved.seconds / full.seconds:>9.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
