"""What random techniques come to in a linear regression, against the closed forms.

Full batches and a constant rate make each step linear in the weights, with random numbers that are
independent of them: so the mean over runs of the weights tends to the closed form itself, whatever
the rate. Each setting runs 48 times in one fleet, with other random numbers and initial weights;
the spread of the runs is the standard error of their mean. Tolerance: 5 standard errors, and these
must be so small that they tell the closed form from the least squares without noise.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fleets import trained
from worker.data import Outline, Table, prepare
from worker.data.table import numeric
from worker.search import plan
from worker.spec import JobSpec
from worker.training import FleetRun

Array = NDArray[np.float64]
RUNS = 48
ROWS = 60
SETTINGS: dict[tuple[str, float], dict[str, Any]] = {
    ("off", 0): {},
    ("dropout", 0.2): {"dropout": {"input_p": 0.2}},
    ("dropout", 0.5): {"dropout": {"input_p": 0.5}},
    ("noise", 0.4): {"noise": {"input": 0.4}},
    ("noise", 1.0): {"noise": {"input": 1.0, "distribution": "uniform"}},
}


def regression() -> Table:
    """Columns that are correlated and of unlike size, so that both ridges differ; a noisy sum."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(ROWS, 4))
    x[:, 1] += x[:, 0]
    x[:, 3] = 0.4 * x[:, 3] + 0.3 * x[:, 2]
    y = x @ np.array([2.0, -1.0, 0.5, 3.0]) + draw.normal(size=ROWS)
    columns = {f"x{n}": column for n, column in enumerate(x.T)} | {"y": y}
    return Table.of([numeric(name, values) for name, values in columns.items()])


@cache
def fitted() -> tuple[dict[tuple[str, float], Array], Array, Array]:
    """The final weights of each setting, ``[RUNS, F]``, and the rows they were fitted to."""
    spec = JobSpec.model_validate(
        {
            "dataset": "ds_12345678",
            "target": "y",
            "split": {"validation": 0.0},
            "preprocessing": {"numeric": "none"},
            "network": {"kind": "linear"},
            "training": {
                "epochs": 400,
                "batch_size": ROWS,
                "optimizer": {"kind": "sgd", "learning_rate": 0.1},
            },
            "repeats": RUNS,
            "compare": [
                {"name": f"{name}", "regularization": {**settings, "swa": {"start": 0.5}}}
                for name, settings in SETTINGS.items()
            ],
        }
    )
    table = regression()
    (planned,) = plan(spec, Outline.of(table, spec))
    run = trained(FleetRun(planned.trials, prepare(table, spec)))
    weights = run.result().tensors["weights.layers.0.weight"][..., 0].double().numpy()
    by_setting = weights.reshape(len(SETTINGS), RUNS, -1)
    rows = run.prepared.splits[0].train
    x, y = (a[0][rows].astype(np.float64) for a in (run.prepared.x, run.prepared.y))
    return dict(zip(SETTINGS, by_setting, strict=True)), x, y


def ridge(x: Array, y: Array, penalty: Array) -> Array:
    """argmin ‖y − Xw − b‖² + w'·penalty·w; b is free."""
    ones = np.column_stack([x, np.ones(len(x))])
    gram = ones.T @ ones
    gram[:-1, :-1] += penalty
    solution: Array = np.linalg.solve(gram, ones.T @ y)[:-1]
    return solution


def agree(setting: tuple[str, float], expected: Array) -> None:
    """The mean over the runs is the closed form, and visibly not the least squares."""
    weights, x, y = fitted()
    error = weights[setting].std(0, ddof=1) / RUNS**0.5
    assert (np.abs(weights[setting].mean(0) - expected) <= 5 * error).all()
    assert np.abs(expected - ridge(x, y, np.zeros((4, 4)))).max() > 100 * error.max()


def test_off_is_least_squares() -> None:
    weights, x, y = fitted()
    expected = np.broadcast_to(ridge(x, y, np.zeros((4, 4))), (RUNS, 4))
    np.testing.assert_allclose(weights["off", 0], expected, atol=1e-3)


@pytest.mark.parametrize("drop", [0.2, 0.5])
def test_dropout_on_the_inputs_is_a_ridge(drop: float) -> None:
    """‖y − pXw‖² + p(1 − p)·w'diag(X'X)w, p the probability of keeping (Srivastava 2014, §9.1).

    Survivors are scaled up in training here, so that what is served is the paper's pw.
    """
    _, x, y = fitted()
    p = 1 - drop
    w = ridge(p * x, y, p * (1 - p) * np.diag((x**2).sum(0)))
    agree(("dropout", drop), p * w)


@pytest.mark.parametrize("s", [0.4, 1.0])
def test_noise_on_the_inputs_is_a_ridge(s: float) -> None:
    """Variance s² on n rows is the ridge n·s² (Bishop 1995), whatever the distribution."""
    _, x, y = fitted()
    agree(("noise", s), ridge(x, y, len(x) * s**2 * np.eye(4)))
