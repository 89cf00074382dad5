"""How long an ensemble takes to answer a row, beside one of its networks, in the same process.

    python benchmarks/ensemble_latency.py [--members 25] [--repeats 400]

From an object of 30 numbers to the answer as JSON has it, without HTTP: read and encoded, computed,
read off. The time is the processor's, of this thread, so that others on the machine count less; the
fifth percentile of the repeats. With folds each configuration has five networks, and five encoders.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from worker.data import Outline, load_builtin, prepare
from worker.models import EnsembleMember, TrainedModel, certify, join_members
from worker.search import plan
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun


def models(hidden: list[int], members: int, folds: int | None) -> tuple[TrainedModel, TrainedModel]:
    """One network, and the ensemble of all."""
    spec = JobSpec.model_validate(
        {
            "dataset": {"builtin": "breast_cancer"},
            "split": {} if folds is None else {"folds": folds},
            "network": {"kind": "mlp", "hidden": hidden},
            "training": {"epochs": 1},
            "compare": [
                {"name": f"{n}", "regularization": {"dropout": {"p": 0.02 * n}}}
                for n in range(members)
            ],
        }
    )
    if not isinstance(spec.dataset, Builtin):
        raise TypeError("this is trained on a built-in data set")
    table, target = load_builtin(spec.dataset)
    prepared = prepare(table, spec, target)
    joined, one = [], None
    for planned in plan(spec, Outline.of(table, spec, target)):
        run = FleetRun(planned.trials, prepared)
        for _ in run.epochs():
            pass
        file = run.result()
        one = one or TrainedModel.load(file.dump(), 0)
        joined += [EnsembleMember.of(file, position) for position in range(len(planned.trials))]
    ensemble = TrainedModel.load(join_members(joined).dump(), 0)
    if one is None or not certify(ensemble).passed:
        raise SystemExit("the ensemble does not pass its certificate")
    return one, ensemble


def microseconds(answer: Callable[[], Any], repeats: int) -> float:
    """Of the processor, the fifth percentile."""
    taken = []
    for _ in range(repeats):
        begun = time.thread_time_ns()
        answer()
        taken.append(time.thread_time_ns() - begun)
    return sorted(taken)[repeats // 20] / 1000


def answer(model: TrainedModel, row: dict[str, float]) -> Any:
    """One row, from JSON to JSON."""
    features = model.plain.features([row]) if model.plain is not None else None
    if features is None:
        raise ValueError("the row is a plain one")
    return list(model.read_scores(model.forward(features)).rows())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--members", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'hidden':<18}{'folds':>6}{'networks':>10}{'one, µs':>10}{'all, µs':>10}{'ratio':>8}")
    for hidden in ([50, 50], [128, 128], [128, 128, 128], [256, 256]):
        for folds in (None, 5):
            one, ensemble = models(hidden, options.members, folds)
            if one.plain is None:
                raise ValueError("the rows are plain ones")
            middle = (one.plain.low + one.plain.high) / 2
            row = dict(zip(one.plain.names, middle.tolist(), strict=True))
            alone, together = (
                microseconds(partial(answer, model, row), options.repeats)
                for model in (one, ensemble)
            )
            shown = "-".join(map(str, hidden))
            print(
                f"{shown:<18}{folds or '-':>6}{ensemble.members:>10}{alone:>10.0f}"
                f"{together:>10.0f}{together / alone:>8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
