"""Contenders for tests: the configurations of a job, trained, without service or storage."""

from typing import Any

from tests.fleets import fleets
from worker.appraisal import Contender, TrainedTrial
from worker.data import Prepared


def trained(shape: tuple[int, ...] | None = None, **job: Any) -> tuple[Prepared, list[Contender]]:
    """The data of a job on a built-in data set, and its configurations in the order posted."""
    by_number: dict[int, list[TrainedTrial]] = {}
    runs = fleets(shape, **job)
    for run in runs:
        for _ in run.epochs():
            pass
        file = run.result()
        for position, (trial, result) in enumerate(zip(run.trials, run.results(), strict=True)):
            one = TrainedTrial(trial, result.metrics, file, position)
            by_number.setdefault(trial.configuration, []).append(one)
    contenders = []
    for number, trials in sorted(by_number.items()):
        trials.sort(key=lambda one: (one.trial.repeat, one.trial.fold or 0))
        contenders.append(Contender(number, trials[0].trial.name, trials))
    return runs[0].prepared, contenders
