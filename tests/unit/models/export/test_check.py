"""A file that does not answer as the model does, or is random, is refused: each made to fail."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.exported import ORIGIN, ROWS, mixed_table, model_of
from worker.data.table import Table, numeric
from worker.errors import ModelError
from worker.models import TrainedModel
from worker.models.export import export
from worker.models.export.check import check_onnx, check_safetensors
from worker.models.export.export import single
from worker.models.export.graph import Graph
from worker.models.export.onnx_graph import onnx_model
from worker.models.export.rows import UNKNOWN, make_rows
from worker.models.export.steps import paths

Changed = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def exported() -> tuple[bytes, TrainedModel]:
    """An ONNX file, and the model that it is of."""
    data, model = model_of(mixed_table("multiclass"), regularization={"dropout": {"p": 0.5}})
    return export(data, ORIGIN, "onnx"), model


def checked(exported: tuple[bytes, TrainedModel], change: Changed) -> ModelError | None:
    """What the check says of a changed file."""
    proto = onnx.load_model_from_string(exported[0])
    change(proto)
    try:
        check_onnx(proto.SerializeToString(), exported[1], make_rows(exported[1].encoder))
    except ModelError as error:
        return error
    return None


def unchanged(proto: onnx.ModelProto) -> None:
    pass


def tampered(proto: onnx.ModelProto) -> None:
    """One weight of the first layer."""
    product = next(node for node in proto.graph.node if node.op_type == "MatMul")
    (stored,) = [t for t in proto.graph.initializer if t.name == product.input[1]]
    weight = numpy_helper.to_array(stored).copy()
    weight[0, 0] += 0.05
    stored.CopyFrom(numpy_helper.from_array(weight, stored.name))


def without_filling(proto: onnx.ModelProto) -> None:
    """Missing numbers become 0 in place of the median."""
    where = next(node for node in proto.graph.node if node.op_type == "Where")
    for stored in proto.graph.initializer:
        if stored.name in where.input:
            filled = numpy_helper.to_array(stored) + 1.0
            stored.CopyFrom(numpy_helper.from_array(filled, stored.name))


def classes_swapped(proto: onnx.ModelProto) -> None:
    (names,) = [t for t in proto.graph.initializer if t.data_type == TensorProto.STRING]
    names.string_data[0], names.string_data[1] = names.string_data[1], names.string_data[0]


def numbers_swapped(proto: onnx.ModelProto) -> None:
    """Only the whole numbers that the classes are."""
    gather = [node for node in proto.graph.node if node.op_type == "Gather"][-1]
    (stored,) = [t for t in proto.graph.initializer if t.name == gather.input[0]]
    stored.CopyFrom(numpy_helper.from_array(np.array([5, 3, 10]), stored.name))


def another_category(proto: onnx.ModelProto) -> None:
    """An unknown category is taken for the first."""
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.name == "default_int64":
                attribute.i = 0


def mates(proto: onnx.ModelProto) -> None:
    """The scores of a batch are centred by their mean."""
    softmax = next(node for node in proto.graph.node if node.op_type == "Softmax")
    scores = softmax.input[0]
    proto.graph.node.insert(
        list(proto.graph.node).index(softmax),
        helper.make_node("ReduceMean", [scores], ["mean"], axes=[0], keepdims=1),
    )
    proto.graph.node.insert(
        list(proto.graph.node).index(softmax), helper.make_node("Sub", [scores, "mean"], ["less"])
    )
    softmax.input[0] = "less"


@pytest.mark.parametrize(
    "change",
    [tampered, without_filling, classes_swapped, numbers_swapped, another_category, mates],
)
def test_a_file_that_answers_otherwise_is_refused(
    exported: tuple[bytes, TrainedModel], change: Changed
) -> None:
    assert checked(exported, unchanged) is None
    error = checked(exported, change)
    assert error is not None
    assert error.code == "export_disagrees"
    assert "differ by up to" in error.message


def with_node(operator: str, **attributes: Any) -> Changed:
    """The scores go through one more operator."""

    def change(proto: onnx.ModelProto) -> None:
        softmax = next(node for node in proto.graph.node if node.op_type == "Softmax")
        node = helper.make_node(operator, [softmax.input[0]], ["random"], **attributes)
        proto.graph.node.insert(list(proto.graph.node).index(softmax), node)
        softmax.input[0] = "random"

    return change


def dropout_in_training(proto: onnx.ModelProto) -> None:
    """Dropout with its third input, which switches training mode on."""
    proto.graph.initializer.extend(
        [
            numpy_helper.from_array(np.float32(0.5), "ratio"),
            numpy_helper.from_array(np.array(True), "training"),
        ]
    )
    with_node("Dropout")(proto)
    (node,) = [node for node in proto.graph.node if node.op_type == "Dropout"]
    node.input.extend(["ratio", "training"])


def in_a_branch(proto: onnx.ModelProto) -> None:
    """Noise below the graph: in both branches of a condition."""

    def branch(name: str) -> onnx.GraphProto:
        noise = helper.make_node("RandomNormalLike", [scores], [name])
        return helper.make_graph([noise], name, [], [helper.make_tensor_value_info(name, 1, None)])

    softmax = next(node for node in proto.graph.node if node.op_type == "Softmax")
    scores = softmax.input[0]
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "asked"))
    node = helper.make_node(
        "If", ["asked"], ["noise"], then_branch=branch("yes"), else_branch=branch("no")
    )
    proto.graph.node.insert(list(proto.graph.node).index(softmax), node)
    softmax.input[0] = "noise"


@pytest.mark.parametrize(
    ("change", "operator"),
    [
        (dropout_in_training, "Dropout"),
        (with_node("Dropout"), "Dropout"),
        (with_node("RandomNormalLike"), "RandomNormalLike"),
        (with_node("Bernoulli"), "Bernoulli"),
        (in_a_branch, "RandomNormalLike"),
    ],
)
def test_a_file_with_dropout_or_noise_is_refused(
    exported: tuple[bytes, TrainedModel], change: Changed, operator: str
) -> None:
    error = checked(exported, change)
    assert error is not None
    assert error.code == "export_keeps_dropout"
    assert operator in error.extra["operators"]


def test_a_model_in_training_mode_is_not_exported() -> None:
    data, model = model_of(mixed_table("binary"), regularization={"dropout": {"p": 0.5}})
    assert paths(model)
    model.network.train()
    with pytest.raises(ModelError) as caught:
        export(data, ORIGIN, "onnx", live=model)
    assert caught.value.code == "export_keeps_dropout"


def test_the_model_that_serves_is_the_one_that_is_compared() -> None:
    """Its file was read again, and is another."""
    table = mixed_table("regression")
    (data, _), (_, other) = model_of(table), model_of(table, training={"epochs": 3, "seed": 5})
    with pytest.raises(ModelError, match="differ by up to") as caught:
        export(data, ORIGIN, "safetensors", live=other)
    assert caught.value.code == "export_disagrees"


def test_a_file_of_one_that_differs_in_one_bit_is_refused() -> None:
    data, model = model_of(mixed_table("regression"), network={"kind": "linear"})
    alone = bytearray(single(data, 0, {}))
    check_safetensors(bytes(alone), model, make_rows(model.encoder))
    scale = np.float32(model.network.state_dict()["layers.0.weight"][0, 0, 0].item()).tobytes()
    alone[alone.index(scale)] ^= 1
    with pytest.raises(ModelError) as caught:
        check_safetensors(bytes(alone), model, make_rows(model.encoder))
    assert caught.value.code == "export_disagrees"


def test_rows_hold_what_a_client_may_send(exported: tuple[bytes, TrainedModel]) -> None:
    encoder = exported[1].encoder
    rows = make_rows(encoder)
    numbers, texts = rows.table.values["sum"], rows.texts["city"].tolist()
    assert encoder.low is not None
    assert np.isnan(numbers).any()
    assert np.nanmax(np.abs(numbers)) > 1000 * np.abs(encoder.low).min()
    assert {"", UNKNOWN, "Ulm", "Köln"} <= set(texts)
    codes = rows.table.values["city"].tolist()
    assert all(
        (code < 0) == (text in ("", UNKNOWN)) for code, text in zip(codes, texts, strict=True)
    )


def test_rows_of_a_file_of_an_earlier_release_lie_where_its_numbers_do() -> None:
    x = np.linspace(5e6, 6e6, ROWS)
    _, model = model_of(Table.of([numeric("x", x), numeric("y", x)]), network={"kind": "linear"})
    object.__setattr__(model.encoder, "low", None)
    object.__setattr__(model.encoder, "high", None)
    assert 4.5e6 < np.nanmedian(make_rows(model.encoder).table.values["x"]) < 6.5e6


def test_what_a_graph_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.models.export.graph.LARGEST_FILE", 100)
    graph = Graph(set())
    graph.constant(np.zeros(26), np.float32)
    with pytest.raises(ModelError, match="an ONNX file holds at most 100"):
        graph.model("large", "", {}, 1)


def test_no_name_of_a_column_is_taken_by_the_graph() -> None:
    names = ("v1", "v2", "probabilities", "value", "value_")
    x = np.random.default_rng(0).normal(size=(len(names), ROWS))
    columns = [numeric(name, values) for name, values in zip(names, x, strict=True)]
    table = Table.of([*columns, numeric("y", x[0] > 0)])
    _, model = model_of(table, network={"kind": "linear"})
    proto = onnx_model(model, "m", 1, {})
    check_onnx(proto.SerializeToString(), model, make_rows(model.encoder))
    outputs = [output.name for output in proto.graph.output]
    assert outputs == ["label", "probabilities_", "value__"]
