"""Coefficients in the units of the columns, against scikit-learn on the raw table."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.fleets import fleet, fleets, trained
from worker.data import Outline, Table, prepare
from worker.data.input_lines import input_lines
from worker.data.table import categorical, numeric
from worker.errors import ConflictError
from worker.models import Coefficients, ModelFile, TrainedModel
from worker.search import plan
from worker.spec import JobSpec
from worker.training import FleetRun

SOLVER = {"epochs": 400, "optimizer": {"kind": "solver", "tolerance": 1e-13}}
ROWS, TOWNS = 240, ("Bonn", "Kiel", "Ulm")


def table(target: str = "price") -> Table:
    """Two numbers of different size, a date, three towns; a price, or whether it is high."""
    drawn = np.random.default_rng(5)
    area, age = drawn.normal(90, 30, ROWS), drawn.exponential(20.0, ROWS)
    towns = drawn.integers(0, 3, ROWS)
    price = 3_000 * area - 700 * age + np.array([5e4, 0.0, -2e4])[towns] + 1e5
    price += drawn.normal(0, 2e4, ROWS)
    cells = [
        numeric("area", area),
        numeric("age", age),
        categorical("town", list(TOWNS), towns.astype(np.int32)),
    ]
    if target == "price":
        return Table.of([*cells, numeric("price", price)])
    high = (price > np.median(price)).astype(np.int32)
    return Table.of([*cells, categorical("high", ["no", "yes"], high)])


def learnt(data: Table, **job: Any) -> tuple[Coefficients, TrainedModel, FleetRun]:
    """What comes of a job on a table: its first trial."""
    spec = JobSpec.model_validate({"dataset": "ds_12345678", "network": {"kind": "linear"}, **job})
    (planned,) = plan(spec, Outline.of(data, spec))
    run = trained(FleetRun(planned.trials, prepare(data, spec)))
    content = run.result().dump()
    return Coefficients.of(ModelFile.load(content), 0), TrainedModel.load(content, 0), run


def raw(data: Table) -> np.ndarray:
    towns = data.values["town"][:, None] == np.arange(3)
    return np.column_stack([data.values["area"], data.values["age"], towns])


@pytest.mark.parametrize("numbers", ["standardize", "robust", "none"])
def test_least_squares_in_the_units_of_the_table(numbers: str) -> None:
    data = table()
    # Raw columns of different sizes take the first-order solver too long; those are shrunk first.
    scales = {"area": 100.0, "age": 25.0} if numbers == "none" else {}
    values = {name: each / scales.get(name, 1.0) for name, each in data.values.items()}
    values["town"] = data.values["town"]
    data = replace(data, values=values)
    found, _, run = learnt(
        data, target="price", preprocessing={"numeric": numbers}, training=SOLVER
    )
    train = run.prepared.row_numbers[run.prepared.splits[0].train]
    x, y = raw(data)[train], data.values["price"][train]
    expected = LinearRegression().fit(x, y)
    w = found.original[:, 0]
    assert found.features == ("area", "age", "town=Bonn", "town=Kiel", "town=Ulm")
    assert found.columns == ("area", "age", "town", "town", "town")
    np.testing.assert_allclose(w[:2], expected.coef_[:2], rtol=1e-6)
    # Of dummies beside an intercept, the differences alone are determined.
    np.testing.assert_allclose(np.diff(w[2:]), np.diff(expected.coef_[2:]), rtol=1e-6)
    size = np.abs(y).max()
    answers = x @ w + found.intercept[0]
    np.testing.assert_allclose(answers, expected.predict(x), atol=1e-6 * size)


def test_logits_and_softmax_are_those_of_the_model() -> None:
    """Of random weights, a threshold and four classes: raw rows times coefficients."""
    data = table("high")
    found, model, _ = learnt(data, target="high", training={"epochs": 3}, positive="no")
    scores = raw(data) @ found.original + found.intercept
    probabilities = model.answer(model.encode(data)).probabilities
    assert probabilities is not None
    np.testing.assert_allclose(1 / (1 + np.exp(-scores[:, 0])), probabilities[:, 1], atol=1e-6)
    assert found.outputs == ("yes",)
    found, model, _ = learnt(data, target="town", training={"epochs": 3})
    assert found.outputs == TOWNS
    columns = np.column_stack([data.values["area"], data.values["age"], data.values["high"] == 0])
    x = np.column_stack([columns, data.values["high"] == 1])
    e = np.exp(x @ found.original + found.intercept)
    probabilities = model.answer(model.encode(data)).probabilities
    np.testing.assert_allclose(e / e.sum(1, keepdims=True), probabilities, atol=2e-6)


def test_logistic_regression_in_the_units_of_the_table() -> None:
    data = table("high")
    strength = 1e-2
    found, _, run = learnt(
        data,
        target="high",
        training=SOLVER,
        regularization={"l2": {"strength": strength}},
    )
    train = run.prepared.splits[0].train
    encoder, x = run.prepared.encoders[0], run.prepared.x[0][train].astype(np.float64)
    inverse = 1 / (2 * strength * len(train))
    expected = LogisticRegression(C=inverse, tol=1e-12, max_iter=1000).fit(
        x, run.prepared.y[0][train]
    )
    scale = np.array([*encoder.scale, 1, 1, 1])
    np.testing.assert_allclose(found.standardized[:, 0], expected.coef_[0], rtol=1e-4)
    np.testing.assert_allclose(found.original[:, 0], expected.coef_[0] / scale, rtol=1e-4)


def test_what_the_training_rows_do_not_tell_apart_has_no_coefficient() -> None:
    data = table()
    rows = data.values["area"].copy()
    rows[:200] = 7.0
    towns = np.where(np.arange(ROWS) < 200, data.values["town"] % 2, 2).astype(np.int32)
    data = replace(data, values={**data.values, "area": rows, "town": towns})
    split = {"rows": {"train": list(range(200)), "validation": list(range(200, ROWS))}}
    found, model, _ = learnt(data, target="price", split=split, training={"epochs": 2})
    assert found.acts.tolist() == [False, True, True, True, False]
    assert found.original[~found.acts].tolist() == [[0.0], [0.0]]
    assert found.standardized[~found.acts].tolist() == [[0.0], [0.0]]
    values = model.answer(model.encode(data)).values
    computed = raw(data) @ found.original[:, 0] + found.intercept[0]
    np.testing.assert_allclose(computed, values, rtol=1e-6)


def test_a_missing_number_is_filled_before_the_coefficient() -> None:
    data = table()
    area = data.values["area"].copy()
    area[[3, 50]] = np.nan
    data = replace(data, values={**data.values, "area": area})
    found, model, _ = learnt(data, target="price", training={"epochs": 2})
    values = model.answer(model.encode(data)).values
    filled = raw(data)
    filled[[3, 50], 0] = model.encoder.fill[0]
    computed = filled @ found.original[:, 0] + found.intercept[0]
    np.testing.assert_allclose(computed, values, rtol=1e-6)


def test_the_fold_and_the_position_choose_the_constants() -> None:
    techniques = [{"name": "a", "regularization": {}}, {"name": "b", "regularization": {"l2": 0.1}}]
    runs = fleets(
        dataset={"builtin": "diabetes"},
        network={"kind": "linear"},
        split={"folds": 3},
        compare=techniques,
        training={"epochs": 3},
    )
    assert {trial.fold for run in runs for trial in run.engine.trials} == {0, 1, 2}
    for run in map(trained, runs):
        content = run.result().dump()
        for position in range(len(run.engine.trials)):
            found = Coefficients.of(ModelFile.load(content), position)
            model = TrainedModel.load(content, position)
            features = model.probe_features[0].numpy()
            slope, shift = input_lines(model.encoder)
            computed = (features - shift) / slope @ found.original[:, 0] + found.intercept[0]
            np.testing.assert_allclose(computed, model.answer(features).values, rtol=1e-5)


def test_snapshots_of_a_regression_are_one_regression_and_others_are_refused() -> None:
    snapshots = {"snapshot_ensemble": {"members": 3}}
    data = table()
    found, model, _ = learnt(data, target="price", regularization=snapshots, training={"epochs": 6})
    values = model.answer(model.encode(data)).values
    computed = raw(data) @ found.original[:, 0] + found.intercept[0]
    np.testing.assert_allclose(computed, values, rtol=1e-5)
    with pytest.raises(ConflictError, match="mean of the probabilities of 3 networks") as caught:
        learnt(table("high"), target="high", regularization=snapshots, training={"epochs": 6})
    assert (caught.value.code, caught.value.param) == ("no_coefficients", "version")


def test_of_counts_the_score_is_a_logarithm() -> None:
    data = table()
    counts = numeric("count", np.random.default_rng(1).poisson(2.0, ROWS).astype(float))
    data = Table.of([*(numeric(n, data.values[n]) for n in ("area", "age")), counts])
    poisson = {"optimizer": {"kind": "solver"}, "loss": {"kind": "poisson"}}
    found, model, _ = learnt(data, target="count", training=poisson)
    assert found.link == "log"
    scores = np.column_stack([data.values["area"], data.values["age"]]) @ found.original[:, 0]
    values = model.answer(model.encode(data)).values
    np.testing.assert_allclose(np.exp(scores + found.intercept[0]), values, rtol=1e-5)


def test_hidden_layers_and_pixels_have_none() -> None:
    with pytest.raises(ConflictError, match=r"of the kind 'mlp'.*\"linear\""):
        learnt(table(), target="price", network={"kind": "mlp", "hidden": [4]})
    run = fleet(
        (1, 8, 8),
        dataset={"builtin": "digits"},
        network={"kind": "linear"},
        training={"epochs": 1},
    )
    content = trained(run).result()
    with pytest.raises(ConflictError, match="pixels of column 'pixels'"):
        Coefficients.of(content, 0)
