"""What is drawn anew: the order of rows in each epoch, masks and noise in each step.

For masks all training rows are the same and the rate is too small to move a weight: the loss of a
step then depends on its random numbers alone.
"""

from typing import Any

import numpy as np
import pytest
import torch

from tests.engine import batch_order, objective_sum
from tests.fleets import fleet
from worker.data import Outline, Table, prepare
from worker.data.table import numeric
from worker.search import plan
from worker.spec import JobSpec
from worker.training import FleetRun

EPOCHS, STEPS, BATCH = 4, 3, 2
RANDOM: dict[str, dict[str, Any]] = {
    "dropout": {"dropout": {"p": 0.5}},
    "dropout of inputs": {"dropout": {"p": 0.0, "input_p": 0.5}},
    "alpha_dropout": {"alpha_dropout": {"p": 0.5}},
    "drop_connect": {"drop_connect": {"p": 0.5}},
    "noise": {"noise": {"input": 0.5}},
    "noise on weights": {"noise": {"input": 0.0, "weights": 0.5}},
    "cutout": {"cutout": {"p": 1.0, "share": 0.5}},
}


def test_rows_come_in_another_order_in_each_epoch() -> None:
    run = fleet(dataset={"builtin": "wine"}, training={"epochs": 5})
    orders = [batch_order(run, epoch)[0] for epoch in range(5)]
    trained_on = torch.from_numpy(run.prepared.splits[0].train)
    for number, order in enumerate(orders):
        assert torch.equal(order.sort().values, trained_on)
        assert not torch.equal(order, trained_on)
        for other in orders[:number]:
            assert (order == other).double().mean() < 0.1


def test_the_order_belongs_to_the_seed() -> None:
    def order(seed: int) -> torch.Tensor:
        return batch_order(fleet(training={"seed": seed}), 3)

    assert torch.equal(order(1), order(1))
    assert not torch.equal(order(1), order(2))


def still_run(regularization: dict[str, Any], seed: int) -> FleetRun:
    """A fleet of one whose rows are all the same and whose weights stay as they are."""
    rows = BATCH * STEPS
    columns = {f"x{n}": np.arange(rows + 1.0) for n in range(6)}
    columns["y"] = np.array([2.0] * rows + [3.0])  # a target must vary: the last row validates
    table = Table.of([numeric(name, values) for name, values in columns.items()])
    spec = JobSpec.model_validate(
        {
            "dataset": "ds_12345678",
            "target": "y",
            "task": "regression",
            "split": {"rows": {"train": list(range(rows)), "validation": [rows]}},
            "preprocessing": {"numeric": "none", "target": "none"},
            "network": {"kind": "mlp", "hidden": [8], "activation": "tanh"},
            "regularization": regularization,
            "training": {
                "epochs": EPOCHS,
                "batch_size": BATCH,
                "optimizer": {"kind": "sgd", "learning_rate": 1e-30},
                "seed": seed,
            },
        }
    )
    (planned,) = plan(spec, Outline.of(table, spec))
    prepared = prepare(table, spec)
    # Columns that do not vary would have been left out.
    prepared.x[...] = np.arange(1.0, 7.0)
    return FleetRun(planned.trials, prepared)


def losses(regularization: dict[str, Any], seed: int = 0) -> list[float]:
    """The loss of each step of all epochs."""
    run = still_run(regularization, seed)
    sums: list[float] = []

    def look() -> bool:
        """Called before each step: what the steps of the epoch have come to."""
        sums.append(float(objective_sum(run)[0]))
        return False

    steps: list[float] = []
    for report in run.epochs(interrupted=look):
        (mean,) = report.metrics["objective"]
        assert mean is not None
        within = [*sums[1:], mean * STEPS]
        steps += np.diff([0.0, *within]).round(9).tolist()
        sums.clear()
    return steps


def test_without_random_numbers_all_steps_are_the_same() -> None:
    assert len(set(losses({}))) == 1


@pytest.mark.parametrize("technique", RANDOM)
def test_each_step_of_each_epoch_draws_anew(technique: str) -> None:
    steps = losses(RANDOM[technique])
    assert len(steps) == EPOCHS * STEPS
    assert len(set(steps)) == len(steps), steps


@pytest.mark.parametrize("technique", RANDOM)
def test_the_same_seed_draws_the_same(technique: str) -> None:
    settings = RANDOM[technique]
    assert losses(settings, 5) == losses(settings, 5)
    assert losses(settings, 5)[0] != losses(settings, 6)[0]
