"""`"regularization": "auto"` on the paper's own splits, beside the paper's figures and boosting.

    python benchmarks/auto.py [../shared/data] [--sets credit-g kc1] [--repeats 5] [--trials 40]
        [--hidden 128 128 128]

What the service does for a job with `regularization: auto`, without the service: the cocktail's
joint space (Kadra, Lindauer, Hutter & Grabocka, NeurIPS 2021, arXiv:2106.11189), drawn at random,
by successive halving over fleets; the best by balanced accuracy on the validation rows refitted on
training and validation rows; measured once, on the test rows. Each repeat is a search of its own,
with its own draws and initial weights. Beside it, on the same rows: the same network with all
techniques off, refitted too, and gradient boosting with balanced class weights, untuned, once on
the features as the networks get them and once with its own handling of categories.

Trained as in the paper (AdamW .001, batches of 128, cosine restarts at 15 and 45 of 105 epochs,
balanced class weights), but on a smaller network than its 9 layers of 512, and with a twentieth of
its budget of 840 configurations, so that a CPU affords it. The published figures are of one seed.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from _shared import arguments, machine, present, spread
from cocktail import boost, load

from worker.data import Outline, Table, prepare
from worker.search import Halving, Search, Trained, boosting, resolve_search
from worker.spec import JobSpec
from worker.training import FleetRun, tune_processor

PUBLISHED = {
    "credit-g": (69.41, 68.10, 74.64, 68.93),
    "blood-transfusion": (67.84, 68.42, 67.62, 62.28),
    "vehicle": (83.77, 82.60, 82.58, 74.97),
    "kc1": (70.27, 72.98, 74.38, 66.85),
}
"""Test balanced accuracy in percent: MLP, MLP with dropout, cocktail, XGBoost without weights."""
METRIC = "test_balanced_accuracy"


def job(
    target: str, rows: dict[str, list[int]], hidden: Sequence[int], trials: int, seed: int
) -> JobSpec:
    """What a user would post."""
    return JobSpec.model_validate(
        {
            "dataset": "ds_benchmark",
            "target": target,
            "split": {"rows": rows},
            "network": {"kind": "mlp", "hidden": list(hidden)},
            "regularization": "auto",
            "search": {"trials": trials, "seed": seed},
            "training": {
                "epochs": 105,
                "batch_size": 128,
                "optimizer": {"kind": "adamw", "learning_rate": 0.001},
                "schedule": {"kind": "cosine", "first_period": 15, "multiplier": 2},
                "seed": seed,
            },
        }
    )


def search(table: Table, found: Search) -> tuple[dict[int, Trained], int]:
    """Train all fleets: what trained to the end, by number, and the trial-epochs that it took."""
    spec, prepared, wave = found.search, prepare(table, found.spec), found.wave(0)
    if wave is None:
        raise SystemExit("there is nothing to search")
    seen: dict[int, dict[int, list[float]]] = {}
    trained: dict[int, Trained] = {}
    epochs = 0
    for planned in wave.plans:
        rule = Halving(
            [trial.configuration for trial in planned.trials],
            epochs=found.spec.training.epochs,
            min_epochs=spec.min_epochs,
            eta=spec.eta,
            objective=found.objective,
            maximize=found.maximize,
            elsewhere=lambda epoch: seen.get(epoch, {}),
        )
        run = FleetRun(planned.trials, prepared, "cpu", rule)
        for report in run.epochs():
            column = report.metrics[found.objective]
            for trial, value in zip(planned.trials, column, strict=True):
                if value is not None and report.epoch in rule.rungs:
                    seen.setdefault(report.epoch, {})[trial.configuration] = [value]
        changes = planned.overrides or ()
        for trial, overrides, result in zip(planned.trials, changes, run.results(), strict=True):
            epochs += result.epochs
            value = result.metrics.get(found.objective)
            if result.halved_at is None and value is not None:
                score = -value if found.maximize else value
                trained[trial.configuration] = Trained(dict(overrides), score)
    return trained, epochs


def measure(table: Table, found: Search, trained: Mapping[int, Trained]) -> list[float]:
    """Test balanced accuracy in percent, refitted: of the winner, and with all switches off."""
    prepared = prepare(table, found.spec, refit=True)
    values: list[float] = []
    for planned in found.refits(trained, first=found.total):
        run = FleetRun(planned.trials, prepared)
        for _ in run.epochs():
            pass
        values += [100 * (result.metrics.get(METRIC) or 0.0) for result in run.results()]
    return [values[0], values[-1]]  # one value, where nothing beat all off


def compare(folder: Path, hidden: Sequence[int], trials: int, repeats: int) -> None:
    """Search, refit and measure on one data set, and print its table."""
    table, target, rows = load(folder)
    named = {"train": rows["train"], "validation": rows["val"], "test": rows["test"]}
    parts = {part: numbers.tolist() for part, numbers in named.items()}
    found: dict[str, list[float]] = {"auto, refitted": [], "unregularized, refitted": []}
    epochs, start = 0, time.perf_counter()
    boosted = 0.0
    for seed in range(repeats):
        spec = job(target, parts, hidden, trials, seed)
        outline = Outline.of(table, spec)
        spec = resolve_search(spec, outline)
        searched = Search(spec, outline)
        trained, spent = search(table, searched)
        best, plain = measure(table, searched, trained)
        found["auto, refitted"].append(best)
        found["unregularized, refitted"].append(plain)
        epochs += spent
        boosted = 100 * boosting(prepare(table, spec, refit=True)).metrics[METRIC]
    seconds = time.perf_counter() - start
    rows["train"] = np.concatenate([rows["train"], rows["val"]])
    found["boosting, weighted"] = [boosted]
    found["boosting, weighted, own categories"] = boost(table, target, rows, 1)
    print(
        f"\n{folder.name}: {len(named['train'])} + {len(named['validation'])} + "
        f"{len(named['test'])} rows; {repeats} searches of {trials} configurations, "
        f"{epochs / (repeats * trials):.0f} of 105 epochs each on average; "
        f"{seconds / repeats:.0f} s a search"
    )
    print(f"{'':<36}{'mean':>8}{'sd':>7}{'min':>8}{'max':>8}")
    for name, values in found.items():
        print(f"{name:<36}{spread(values)}")
    names = ("MLP", "MLP + dropout", "cocktail", "XGBoost, unweighted")
    for name, figure in zip(names, PUBLISHED[folder.name], strict=True):
        print(f"{'published ' + name:<36}{figure:>8.2f}", flush=True)


def main() -> None:
    """Run and print a table for each data set."""
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--sets", nargs="+", choices=PUBLISHED, default=list(PUBLISHED))
    parser.add_argument("--trials", type=int, default=40, help="configurations of a search")
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 128, 128])
    options = parser.parse_args()
    present(options.data, "folder of data sets")
    tune_processor(options.threads)
    widths = "-".join(map(str, options.hidden))
    print(f"{machine(options.threads)}; hidden layers {widths}; balanced accuracy on test, %")
    for name in options.sets:
        compare(options.data / name, options.hidden, options.trials, options.repeats)


if __name__ == "__main__":
    main()
