"""Embeddings of numbers beside plain inputs and boosting, on real tables of numbers.

    python benchmarks/embeddings.py [../shared/data] [--sets phoneme segment] [--repeats 5]
        [--splits 2] [--only plain "periodic, σ = .1"]

2 × 256, dropout .15, label smoothing .05, AdamW .001, batches of 128, 60 epochs, balanced class
weights; balanced accuracy in percent on a fifth of the rows, which are drawn anew, stratified, for
each split; nothing is chosen, so nothing validates. "one" is the mean over seeds and splits of
single networks, "mean of n" that of the mean probabilities of a split's n seeds. Seconds are those
of the fleet's training a trial; configurations that share a fleet share its time evenly.

Boosting is scikit-learn's HistGradientBoostingClassifier, untuned, class weights balanced, on the
same rows.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _shared import arguments, machine, present
from cocktail import boost, load
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from worker.data import Outline, Table, prepare, resolve_target
from worker.search import plan
from worker.spec import JobSpec
from worker.training import FleetRun, tune_processor

MEMORY = 2**33
"""Bytes for one fleet."""
QUANTILE: dict[str, Any] = {"kind": "piecewise_linear"}
TREE = QUANTILE | {"by": "tree"}
CONFIGURATIONS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "plain": (None, "standardize"),
    "plain, smooth clip": (None, "robust_smooth_clip"),
    "periodic, σ = .02": ({"kind": "periodic", "sigma": 0.02}, "standardize"),
    "periodic, σ = .1": ({"kind": "periodic", "sigma": 0.1}, "standardize"),
    "periodic, σ = .5": ({"kind": "periodic", "sigma": 0.5}, "standardize"),
    "periodic, σ = .1, smooth clip": ({"kind": "periodic", "sigma": 0.1}, "robust_smooth_clip"),
    "periodic, σ = .5, smooth clip": ({"kind": "periodic", "sigma": 0.5}, "robust_smooth_clip"),
    "quantile bins": (QUANTILE, "standardize"),
    "quantile bins, dense": (QUANTILE | {"dimension": 24}, "standardize"),
    "tree bins": (TREE, "standardize"),
    "tree bins, dense": (TREE | {"dimension": 24}, "standardize"),
}
"""Embedding and preprocessing of each."""
Scores = dict[str, list[float]]


def job(
    target: str, rows: dict[str, list[int]], numeric: str, repeats: int, names: Sequence[str]
) -> JobSpec:
    """All of these configurations that have one preprocessing."""
    return JobSpec.model_validate(
        {
            "dataset": "ds_benchmark",
            "target": target,
            "split": {"rows": rows},
            "preprocessing": {"numeric": numeric},
            "regularization": {
                "dropout": {"p": 0.15},
                "label_smoothing": {"smoothing": 0.05},
                "class_weights": {},
            },
            "training": {
                "epochs": 60,
                "batch_size": 128,
                "optimizer": {"kind": "adamw", "learning_rate": 0.001},
            },
            "compare": [
                {
                    "name": name,
                    "network": {"kind": "mlp", "hidden": [256, 256], "embedding": embedding},
                }
                for name, (embedding, method) in CONFIGURATIONS.items()
                if method == numeric and name in names
            ],
            "repeats": repeats,
        }
    )


def train(
    table: Table, spec: JobSpec, one: Scores, mean: Scores, seconds: Scores, parameters: Scores
) -> None:
    """Add what each configuration comes to."""
    prepared = prepare(table, spec)
    truth = prepared.y[0][prepared.splits[0].test]
    for planned in plan(spec, Outline.of(table, spec), MEMORY):
        run, start = FleetRun(planned.trials, prepared), time.perf_counter()
        for _ in run.epochs():
            pass
        spent = (time.perf_counter() - start) / len(run.trials)
        scores = run.engine.scores("test")[0]
        by_name: dict[str, list[Any]] = defaultdict(list)
        for trial, row in zip(run.trials, scores, strict=True):
            both = row if row.shape[1] > 1 else torch.cat([torch.zeros_like(row), row], dim=1)
            probabilities = both.double().softmax(1).numpy()
            one[trial.name].append(accuracy(truth, probabilities))
            by_name[trial.name].append(probabilities)
            seconds[trial.name].append(spent)
            parameters[trial.name].append(run.engine.parameters.count)
        for name, members in by_name.items():
            mean[name].append(accuracy(truth, np.mean(members, axis=0)))


def accuracy(truth: Any, probabilities: Any) -> float:
    """Balanced, in percent."""
    return 100 * float(balanced_accuracy_score(truth, probabilities.argmax(1)))


def compare(folder: Path, splits: int, repeats: int, names: Sequence[str]) -> None:
    """Train on one data set and print its table."""
    table, target, _ = load(folder)
    labels = resolve_target(table, target).values(table)
    one, mean, seconds, parameters = (defaultdict[str, list[float]](list) for _ in range(4))
    boosted = []
    for split in range(splits):
        parts = train_test_split(
            np.arange(table.rows), test_size=0.2, stratify=labels, random_state=1000 + split
        )
        rows = dict(zip(("train", "test"), map(np.sort, parts), strict=True))
        for numeric in dict.fromkeys(CONFIGURATIONS[name][1] for name in names):
            numbers = {part: own.tolist() for part, own in rows.items()}
            spec = job(target, numbers, numeric, repeats, names)
            train(table, spec, one, mean, seconds, parameters)
        boosted += boost(table, target, rows, 1)
    print(f"\n{folder.name}: {splits} splits, {repeats} seeds")
    print(f"{'':<32}{'one':>7}{'mean of ' + str(repeats):>12}{'parameters':>12}{'s a trial':>11}")
    for name in names:
        print(
            f"{name:<32}{np.mean(one[name]):>7.1f}{np.mean(mean[name]):>12.1f}"
            f"{parameters[name][0]:>12,.0f}{np.mean(seconds[name]):>11.1f}"
        )
    print(f"{'boosting, class weights':<32}{np.mean(boosted):>7.1f}", flush=True)


def main() -> None:
    """Run and print a table for each data set."""
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--sets", nargs="+", default=["phoneme", "segment"])
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CONFIGURATIONS, default=list(CONFIGURATIONS))
    options = parser.parse_args()
    present(options.data, "folder of data sets")
    tune_processor(options.threads)
    print(f"{machine(options.threads)}; balanced accuracy on test, %")
    for name in options.sets:
        compare(options.data / name, options.splits, options.repeats, options.only)


if __name__ == "__main__":
    main()
