"""Permutation importance: against scikit-learn, by column, within its bounds."""

from io import BytesIO

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import permutation_importance as reference

from tests.contending import trained
from worker.appraisal import TrainedTrial
from worker.appraisal.importance import permutation_importance
from worker.appraisal.rows import HeldOut, held_out
from worker.data import Outline, prepare, read_csv
from worker.networks import Network
from worker.search import plan
from worker.spec import JobSpec
from worker.training import FleetRun

REPEATS = 60


class Answering(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A network, as scikit-learn asks one."""

    def __init__(self, network: Network | None = None) -> None:
        self.network = network
        self.fitted_ = True

    def fit(self, x: object, y: object) -> "Answering":
        """It is trained."""
        return self

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The values of rows."""
        assert self.network is not None
        return self.network(torch.from_numpy(x)[None])[0, :, 0].numpy()


@pytest.fixture(scope="module")
def diabetes() -> tuple[HeldOut, TrainedTrial]:
    prepared, (contender,) = trained(
        dataset={"builtin": "diabetes"},
        training={"epochs": 5},
        network={"kind": "mlp", "hidden": [8]},
    )
    return held_out(prepared), contender.trials[0]


def test_it_is_that_of_scikit_learn(diabetes: tuple[HeldOut, TrainedTrial]) -> None:
    held, network = diabetes
    found = permutation_importance(held, [network], permutations=REPEATS)
    assert found is not None
    x, y = held.prepared.x[0][held.rows], held.prepared.y[0][held.rows]
    expected = reference(
        Answering(network.file.network(0)),
        x,
        y,
        scoring="neg_mean_squared_error",
        n_repeats=REPEATS,
        random_state=0,
    )
    names = [column.name for column in held.prepared.encoders[0].columns]
    for column in found.columns:
        place = names.index(column.column)
        error = 4 * expected.importances_std[place] * (2 / REPEATS) ** 0.5
        assert column.rise == pytest.approx(expected.importances_mean[place], abs=error)
        assert column.deviation == pytest.approx(expected.importances_std[place], rel=0.5)
    assert [one.rise for one in found.columns] == sorted(
        (one.rise for one in found.columns), reverse=True
    )
    assert found.columns_count == 10


def test_it_follows_from_its_seed(diabetes: tuple[HeldOut, TrainedTrial]) -> None:
    held, network = diabetes
    found = [permutation_importance(held, [network], seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_it_takes_fewer_rows_or_none_where_it_would_take_too_long(
    diabetes: tuple[HeldOut, TrainedTrial],
) -> None:
    held, network = diabetes
    each = network.file.manifest.parameters["total"]
    every = HeldOut("validation", held.prepared, np.arange(442), None, 442)
    some = permutation_importance(every, [network], operations=each * 51 * 120)
    assert some is not None
    assert some.rows == 120
    assert permutation_importance(every, [network], operations=each * 51 * 99) is None


def test_all_inputs_of_a_column_are_permuted_together() -> None:
    """Of a linear network, a column of categories is worth 2·Var of what it adds."""
    rng = np.random.default_rng(0)
    colours, numbers = rng.integers(0, 3, size=300), rng.normal(size=300)
    values = np.array([0.0, 3.0, -3.0])[colours] + 0.5 * numbers + rng.normal(0, 0.1, size=300)
    lines = [
        f"{'rgb'[colour]},{number},{value}"
        for colour, number, value in zip(colours, numbers, values, strict=True)
    ]
    table = read_csv(BytesIO("\n".join(["colour,number,value", *lines]).encode()))
    spec = JobSpec.model_validate(
        {
            "dataset": "ds_000000000000000000000000",
            "target": "value",
            "network": {"kind": "linear"},
            "training": {"epochs": 40, "optimizer": {"kind": "adam", "learning_rate": 0.05}},
            "split": {"folds": 3},
        }
    )
    prepared = prepare(table, spec)
    (planned,) = plan(spec, Outline.of(table, spec))
    run = FleetRun(planned.trials, prepared)
    for _ in run.epochs():
        pass
    file = run.result()
    networks = [TrainedTrial(trial, {}, file, n) for n, trial in enumerate(run.trials)]
    found = permutation_importance(held_out(prepared), networks, permutations=60)
    assert found is not None
    assert [one.column for one in found.columns] == ["colour", "number"]
    assert found.rows == 300
    weights = file.linear_weights()[:, :, 0].double()
    added = [
        torch.from_numpy(prepared.x[fold]).double()[:, columns] @ weights[fold, columns]
        for columns in (slice(0, 3), slice(3, 4))
        for fold in range(3)
    ]
    variances = [float(one.var()) for one in added]
    assert found.columns[0].rise == pytest.approx(2 * np.mean(variances[:3]), rel=0.1)
    assert found.columns[1].rise == pytest.approx(2 * np.mean(variances[3:]), rel=0.15)
    assert found.noise < found.columns[1].rise


def test_images_have_no_columns() -> None:
    prepared, (contender,) = trained(
        (1, 8, 8),
        dataset={"builtin": "digits"},
        training={"epochs": 1},
        network={"kind": "cnn", "channels": [4]},
    )
    assert permutation_importance(held_out(prepared), contender.trials) is None
