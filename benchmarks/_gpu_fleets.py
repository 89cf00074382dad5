"""Fleets for the checks of ``gpu.py``: from a job to its trials and data, to a run, to weights."""

from typing import Any

import numpy as np
from torch import Tensor

from worker.data import Outline, Prepared, Table, load_builtin, prepare
from worker.data.table import categorical, images
from worker.regularization import DataFacts
from worker.search import plan
from worker.search.memory import bytes_per_trial
from worker.spec import Builtin, CnnSpec, JobSpec, MlpSpec, ResidualMlpSpec, Trial
from worker.training import FleetRun
from worker.training.fleet import update
from worker.training.stepping import LaunchedSteps

TECHNIQUES: dict[str, Any] = {
    "l1": {"strength": 1e-4, "method": "proximal"},
    "l2": {"strength": 1e-4},
    "weight_decay": {"strength": 1e-3},
    "dropout": {"p": 0.2},
    "max_norm": {"norm": 2.0},
}
WINE: dict[str, Any] = {"dataset": {"builtin": "wine"}}
SGD: dict[str, Any] = {"kind": "sgd", "learning_rate": 0.1}
"""A bias before batch normalization has no gradient but its rounding, of which Adam makes steps."""
CLASSES = ("class_0", "class_1", "class_2")
STAGES: tuple[tuple[Any, DataFacts, dict[str, Any], dict[str, Any]], ...] = (
    (MlpSpec(hidden=(24, 16)), DataFacts((13,), CLASSES), WINE, {}),
    (
        ResidualMlpSpec(kind="residual_mlp", width=16),
        DataFacts((13,), CLASSES),
        WINE,
        {"layer_norm": {}},
    ),
    (CnnSpec(kind="cnn", channels=(4,), hidden=(8,)), DataFacts((3, 12, 12), ("a", "b")), {}, {}),
)
"""Networks and data that techniques are tried on, in order of preference, and what goes with each;
without a data set on random pictures."""


def pictures(rows: int, *shape: int) -> Table:
    """Random pixels of two classes that differ in their mean."""
    draw = np.random.default_rng(0)
    labels = draw.integers(2, size=rows).astype(np.int32)
    pixels = draw.normal(110 + 30 * labels[:, None, None, None], 40, (rows, *shape))
    return Table.of(
        [
            images("pixels", pixels.clip(0, 255).astype(np.uint8)),
            categorical("label", ["a", "b"], labels),
        ]
    )


def planned(job: dict[str, Any], table: Table | None = None) -> tuple[list[Trial], Prepared, int]:
    """The trials of a job, on built-in rows or pictures, their data, and the bytes that one is
    reckoned with.
    """
    if table is None:
        spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
        assert isinstance(spec.dataset, Builtin)
        table, target = load_builtin(spec.dataset)
    else:
        spec = JobSpec.model_validate({"dataset": "ds_benchmark0", "target": "label", **job})
        target = None
    outline = Outline.of(table, spec, target)
    (fleet,) = plan(spec, outline, memory=2**62)
    reckoned = bytes_per_trial(fleet.trials, outline)
    return list(fleet.trials), prepare(table, spec, target), reckoned


def seeds(number: int, training: dict[str, Any]) -> list[dict[str, Any]]:
    """So many configurations that differ in their seed."""
    return [{"name": str(n), "training": {**training, "seed": n}} for n in range(number)]


def trained(run: FleetRun) -> Tensor:
    """``[K, P]``: the weights at the end of a run."""
    for _ in run.epochs():
        pass
    return run.finals.tensors["weights"]


def launched(run: FleetRun) -> FleetRun:
    """The run, with every step launched."""
    run.step = LaunchedSteps(run.engine, update)
    return run


def apart(a: Tensor, b: Tensor) -> float:
    """The largest difference; infinite where either is not finite."""
    difference = float((a - b).abs().max())
    return difference if difference == difference else float("inf")
