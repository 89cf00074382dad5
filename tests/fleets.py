"""Fleets for tests: from a job as a user writes it to a run, without service or storage."""

from dataclasses import replace
from typing import Any

from worker.data import check, load_builtin, prepare
from worker.search import plan
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun

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
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
    if not isinstance(spec.dataset, Builtin):
        raise TypeError("tests train on built-in data sets")
    table, target = load_builtin(spec.dataset)
    outline = check(table, spec, target)
    prepared = prepare(table, spec, target)
    if shape is not None:
        outline = replace(outline, shape=shape)
        prepared = replace(prepared, x=prepared.x.reshape(*prepared.x.shape[:2], *shape))
    return [FleetRun(fleet.trials, prepared) for fleet in plan(spec, outline)]


def fleet(shape: tuple[int, ...] | None = None, **job: Any) -> FleetRun:
    """The only run of a job."""
    (run,) = fleets(shape, **job)
    return run


def trained(run: FleetRun) -> FleetRun:
    """The run, trained to its end."""
    for _ in run.epochs():
        pass
    return run
