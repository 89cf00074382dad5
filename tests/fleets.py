"""Fleets for tests: from a job as a user writes it to a run, without service or storage."""

from typing import Any

import numpy as np

from worker.data import Outline, Prepared, Table, load_builtin, prepare
from worker.data.table import images
from worker.networks.chain import by_hand
from worker.search import FleetPlan, plan
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun
from worker.training.state import dump_state, load_state

ADAM: dict[str, Any] = {
    "epochs": 50,
    "batch_size": 32,
    "optimizer": {"kind": "adam", "learning_rate": 0.01},
}
"""The training of the owner's experiment."""


def fleets(shape: tuple[int, ...] | None = None, **job: Any) -> list[FleetRun]:
    """The runs of a job on a built-in data set, one a fleet; not yet trained.

    ``shape`` makes images or series of its rows: ``(1, 8, 8)`` of those of the digits.
    """
    plans, prepared = _planned(shape, job)
    return [FleetRun(planned.trials, prepared) for planned in plans]


def fleet(shape: tuple[int, ...] | None = None, **job: Any) -> FleetRun:
    """A run of all trials of a job, which one tensor program must fit.

    A plan parts those that are differentiated by hand from those that need autograd. That is for
    speed: together, all go through autograd.
    """
    plans, prepared = _planned(shape, job)
    assert len({planned.trials[0].network for planned in plans}) == 1
    assert len(plans) == len({by_hand(planned.trials[0]) for planned in plans})
    trials = [trial for planned in plans for trial in planned.trials]
    trials.sort(key=lambda trial: (trial.configuration, trial.repeat, trial.fold or 0))
    return FleetRun(trials, prepared)


def _planned(
    shape: tuple[int, ...] | None, job: dict[str, Any]
) -> tuple[list[FleetPlan], Prepared]:
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
    if not isinstance(spec.dataset, Builtin):
        raise TypeError("tests train on built-in data sets")
    table, target = load_builtin(spec.dataset)
    if shape is not None:
        table = _pictures(table, target, shape)
    return plan(spec, Outline.of(table, spec, target)), prepare(table, spec, target)


def _pictures(table: Table, target: str, shape: tuple[int, ...]) -> Table:
    """The table with its columns of numbers as one of images or series."""
    numbers = [values for name, values in table.values.items() if name != target]
    pixels = np.stack(numbers, axis=1).reshape(-1, *shape)
    return Table.of([images("pixels", pixels), (table.column(target), table.values[target])])


def stopped(run: FleetRun, after: int) -> FleetRun:
    """The run, stopped after so many steps."""
    for _ in run.epochs(interrupted=lambda: run.steps >= after):
        pass
    assert run.interrupted
    return run


def resumed(job: dict[str, Any], after: int) -> FleetRun:
    """The run of a job, stopped after so many steps; a new one went on from what lies on disk."""
    run = fleet(**job)
    run.restore(load_state(dump_state(stopped(fleet(**job), after).state())))
    return trained(run)


def trained(run: FleetRun) -> FleetRun:
    """The run, trained to its end."""
    for _ in run.epochs():
        pass
    return run
