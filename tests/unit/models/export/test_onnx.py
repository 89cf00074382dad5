"""ONNX Runtime and the reference evaluator of ONNX give the service's answers from raw columns."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from tests.exported import (
    CLASSES,
    EMBEDDED,
    ORIGIN,
    RECORDS,
    ROWS,
    feeds,
    mixed_table,
    model_of,
    picture_table,
)
from worker.data.calendar import date_parts
from worker.data.table import LARGEST, Table, dates, numeric
from worker.models import TrainedModel
from worker.models.export import export
from worker.models.export.check import onnx_runner
from worker.models.export.graph import Graph
from worker.models.export.onnx_features import _date_parts
from worker.models.export.onnx_graph import onnx_model
from worker.models.export.rows import make_rows

TASKS = ("regression", "binary", "multiclass")
KINDS: dict[str, dict[str, Any]] = {
    "linear": {"network": {"kind": "linear"}},
    "mlp": {
        "network": {"kind": "mlp", "hidden": [7, 5]},
        "regularization": {"batch_norm": {}, "dropout": {"p": 0.3}, "noise": {"input": 0.1}},
    },
    "residual_mlp": {
        "network": {"kind": "residual_mlp", "width": 6, "blocks": 2, "activation": "gelu"},
        "regularization": {"batch_norm": {}, "layer_norm": {}, "shake_shake": {}},
    },
    "shaken": {
        "network": {"kind": "residual_mlp", "width": 6, "blocks": 2, "activation": "silu"},
        "regularization": {"batch_norm": {}, "shake_drop": {"p": 0.5}},
    },
    "cnn": {
        "network": {"kind": "cnn", "channels": [3, 4], "hidden": [5], "activation": "selu"},
        "regularization": {"batch_norm": {}, "layer_norm": {}, "spatial_dropout": {"p": 0.2}},
    },
    **EMBEDDED,
    "ensemble": {
        "network": {"kind": "mlp", "hidden": [5], "activation": "tanh"},
        "regularization": {"snapshot_ensemble": {"members": 3}},
        "training": {"epochs": 6, "batch_size": 32},
    },
}
CASES = [
    pytest.param(kind, task, marks=() if (number + place) % 3 == 0 else pytest.mark.slow)
    for number, kind in enumerate(KINDS)
    for place, task in enumerate(TASKS)
]
"""Each kind of network with each task; of every change, each kind with one."""
Outputs = dict[str, NDArray[Any]]


def executed(content: bytes, given: Outputs) -> Outputs:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


def evaluated(content: bytes, given: Outputs) -> Outputs:
    model = onnx.load_model_from_string(content)
    names = [output.name for output in model.graph.output]
    with np.errstate(over="ignore", invalid="ignore"):
        return dict(zip(names, ReferenceEvaluator(model).run(names, given), strict=True))


def agree(model: TrainedModel, instances: list[Any], found: Outputs) -> None:
    """The answers of the service to the same rows, as JSON gives them."""
    answers = model.answer(model.encode(model.read(instances).table))
    if answers.values is not None:
        np.testing.assert_allclose(found["value"], answers.values, rtol=1e-5)
        assert (found["value"].dtype, list(found)) == (np.float64, ["value"])
        return
    rows = list(answers.rows())
    label = "label_" if "label" in {column.name for column in model.encoder.columns} else "label"
    assert found[label].tolist() == [row["label"] for row in rows]
    assert found["probabilities"].dtype == np.float32
    np.testing.assert_allclose(found["probabilities"], answers.probabilities, atol=1e-5)
    if model.target.whole_numbers is not None:
        assert found["value"].dtype == np.int64
        assert found["value"].tolist() == [row["value"] for row in rows]


@pytest.mark.parametrize(("kind", "task"), CASES)
def test_every_kind_answers_as_the_service(kind: str, task: str) -> None:
    pictures = kind == "cnn"
    table = picture_table(task) if pictures else mixed_table(task)
    data, model = model_of(table, **KINDS[kind])
    content = export(data, ORIGIN, "onnx")
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    instances: list[Any] = RECORDS
    given = feeds(RECORDS)
    if pictures:
        pixels = table.values["picture"][:4]
        instances, given = pixels.tolist(), {"picture": pixels.astype(np.float32)}
    agree(model, instances, executed(content, given))
    agree(model, instances, evaluated(content, given))
    one = {name: cells[:1] for name, cells in given.items()}
    agree(model, instances[:1], executed(content, one))


@pytest.mark.parametrize(
    "activation",
    [
        "leaky_relu",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in ("relu", "tanh", "gelu", "silu", "selu")
        ),
    ],
)
def test_every_activation(activation: str) -> None:
    network = {"kind": "mlp", "hidden": [9], "activation": activation}
    data, model = model_of(mixed_table("binary"), network=network)
    agree(model, RECORDS, executed(export(data, ORIGIN, "onnx"), feeds(RECORDS)))


@pytest.fixture(scope="module")
def binary() -> tuple[bytes, TrainedModel]:
    return model_of(mixed_table("binary"), network={"kind": "linear"})


@pytest.mark.parametrize("positive", CLASSES["binary"])
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.8, 1.0])
def test_the_positive_class_is_answered_from_its_threshold_on(
    binary: tuple[bytes, TrainedModel], positive: str, threshold: float
) -> None:
    target = binary[1].target.model_copy(update={"positive": positive})
    model = replace(binary[1], target=target, threshold=threshold)
    rows = make_rows(model.encoder)
    content = onnx_model(model, "m", 1, {}).SerializeToString()
    exported = onnx_runner(content, model)(rows)
    live = model.answer(model.encode(rows.table))
    assert exported.best is not None
    assert live.best is not None
    assert exported.best.tolist() == live.best.tolist()
    if threshold in (0, 1):
        assert set(exported.best) == {int((threshold == 0) == (positive == "yes"))}
    else:
        assert set(exported.best) == {0, 1}


def test_numbers_are_computed_in_float64_and_clipped_to_float32() -> None:
    """A number of nine digits that float32 cannot hold, and one that is too large once scaled."""
    x = np.linspace(123_456_789, 123_456_790, ROWS)
    table = Table.of([numeric("x", x), numeric("tiny", x * 1e-9), numeric("y", x % 1)])
    data, model = model_of(table, network={"kind": "linear"})
    instances = [[float(x[40]), LARGEST], [float(x[41]), -LARGEST], [float(x[41]), float(x[0])]]
    given = {"x": np.array(instances)[:, :1], "tiny": np.array(instances)[:, 1:]}
    content = export(data, ORIGIN, "onnx")
    agree(model, instances, executed(content, given))
    scores = executed(content, {"x": x[:, None], "tiny": x[:, None] * 1e-9})["value"]
    assert len(set(scores)) > ROWS // 2


def test_days_become_the_parts_of_dates() -> None:
    """Of each day around the ends of years that are leap years or not, and of the calendar."""
    years = [1, 4, 100, 400, 1582, 1900, 1969, 1970, 2000, 2023, 2024, 2100, 9999]
    texts = [f"{year:04d}-{end}" for year in years for end in ("02-28", "12-31")]
    ends = np.array(texts, dtype="datetime64[D]").astype(float)
    days = ends[:, None] + np.arange(-2, 4) + 0.375
    column = np.array([*days.reshape(-1), -1e9, 1e9, np.nan])[:, None]
    graph = Graph({"d", "parts"})
    parts = _date_parts(graph, graph.input("d", np.float64, ["rows", 1], ""), time_of_day=True)
    graph.output("parts", parts, np.float64, ["rows", 8], "")
    content = graph.model("dates", "", {}, 1).SerializeToString()
    found = executed(content, {"d": column})["parts"]
    np.testing.assert_allclose(found, date_parts(column[:, 0], time_of_day=True), atol=1e-12)


def test_inputs_and_answers_are_described(binary: tuple[bytes, TrainedModel]) -> None:
    model = onnx.load_model_from_string(export(binary[0], ORIGIN, "onnx"))
    described = {value.name: value for value in model.graph.input}
    assert list(described) == ["label", "city", "since (day)", "sum", "colour"]
    assert "days since 1970-01-01" in described["since (day)"].doc_string
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert (properties["name"], properties["version"], properties["target"]) == (
        "a model",
        "3",
        "y",
    )
    assert "Köln" in properties["columns"]
    assert {node.op_type for node in model.graph.node}.isdisjoint({"Dropout"})
    assert [output.name for output in model.graph.output] == ["label_", "probabilities"]


def test_a_category_that_training_did_not_see_encodes_to_zeros(
    binary: tuple[bytes, TrainedModel],
) -> None:
    """Its weight is as it was drawn."""
    encoder = binary[1].encoder
    for seen in (np.zeros_like(encoder.seen), np.eye(len(encoder.seen))[1].astype(np.float32)):
        model = replace(binary[1], encoder=replace(encoder, seen=seen))
        content = onnx_model(model, "m", 1, {}).SerializeToString()
        agree(model, RECORDS, executed(content, feeds(RECORDS)))


def test_the_same_model_is_the_same_file(binary: tuple[bytes, TrainedModel]) -> None:
    assert export(binary[0], ORIGIN, "onnx") == export(binary[0], ORIGIN, "onnx")


def test_a_model_of_dates_alone() -> None:
    days = np.random.default_rng(3).integers(10_000, 20_000, ROWS).astype(float)
    table = Table.of([dates("d", days), numeric("y", np.sin(days))])
    data, model = model_of(table, network={"kind": "linear"})
    found = executed(export(data, ORIGIN, "onnx"), {"d": np.array([[15_000.0], [np.nan]])})
    agree(model, [["2011-01-26"], [None]], found)
