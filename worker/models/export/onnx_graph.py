"""A model as an ONNX graph: raw columns in, answers out, made of nothing but the model's numbers.

Inputs are called like the columns. Outputs are `label` (text), `probabilities` (float32 ``[N, C]``)
and, where classes are whole numbers, `value` (int64); a regression has `value` alone (float64). An
output that a column shares its name with has `_` behind it.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from worker.data import Target
from worker.models.export.graph import Graph
from worker.models.export.onnx_features import ROWS, features
from worker.models.export.steps import (
    Activate,
    Add,
    Array,
    Convolve,
    Embed,
    Flatten,
    Gemm,
    MaxPool,
    Normalize,
    Path,
    Scale,
    Step,
    encoder_numbers,
    encoders,
    log_odds,
    paths,
)
from worker.models.trained_model import TrainedModel

if TYPE_CHECKING:
    import onnx

OUTPUTS = ("label", "probabilities", "value")
_FLOAT64 = 11
"""`TensorProto.DOUBLE`."""
_SELU_ALPHA, _SELU_GAMMA = 1.6732632423543772, 1.0507009873554805


def graph_output_names(model: TrainedModel) -> dict[str, str]:
    """What each output is called in the graph."""
    taken = {column.name for column in model.encoder.columns}
    names = {}
    for output in OUTPUTS:
        name = output
        while name in taken:
            name += "_"
        names[output] = name
    return names


def onnx_model(
    model: TrainedModel, name: str, version: int, properties: Mapping[str, str]
) -> "onnx.ModelProto":
    """The graph of a model, not yet checked.

    Raises:
        ModelError: the network has something that this export does not know, or is too large.
    """
    names = graph_output_names(model)
    graph = Graph({*names.values(), *(column.name for column in model.encoder.columns)})
    encoded = [features(graph, encoder) for encoder in encoders(model)]
    shape, offset = encoders(model)[0].network_shape, ""
    if model.encoder.offset:
        (size,) = shape
        (joined,) = encoded
        offset = graph.add("Gather", joined, graph.constant([size], np.int64), axis=1)
        encoded = [graph.add("Gather", joined, graph.constant(range(size), np.int64), axis=1)]
    members = [
        _run(graph, path, encoded[number], shape)
        for path, number in zip(paths(model), encoder_numbers(model), strict=True)
    ]
    if offset:
        members = [graph.add("Add", member, offset) for member in members]
    if model.target.task == "regression":
        _add_value(graph, model, members, names)
    else:
        _add_classes(graph, model, members, names)
    description = f"Model {name}, version {version}: {model.target.column} ({model.target.task})."
    return graph.model("parsimony", description, properties, version)


def _run(graph: Graph, path: Path, h: str, shape: tuple[int, ...]) -> str:
    """A member's scores ``[N, O]``; ``shape`` is that of one row of ``h``."""
    for step in path:
        h, shape = _step(graph, step, h, shape)
    return h


def _step(graph: Graph, step: Step, h: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """The result of a step, and the shape of one row of it."""
    match step:
        case Gemm():
            product = graph.add("MatMul", h, _float32(graph, step.weight))
            return graph.add("Add", product, _float32(graph, step.bias)), step.bias.shape
        case Embed():
            return _embedded(graph, step, h)
        case Convolve():
            kernel = step.weight.shape[2:]
            around = [(side - 1) // 2 for side in kernel]
            after = [side - 1 - before for side, before in zip(kernel, around, strict=True)]
            maps = graph.add(
                "Conv",
                h,
                _float32(graph, step.weight),
                _float32(graph, step.bias),
                pads=[*around, *after],
            )
            return maps, (len(step.bias), *shape[1:])
        case MaxPool():
            window = list(step.window)
            maps = graph.add("MaxPool", h, kernel_shape=window, strides=window)
            sizes = (size // side for size, side in zip(shape[1:], window, strict=True))
            return maps, (shape[0], *sizes)
        case Flatten():
            size = int(np.prod(shape))
            return (h if len(shape) == 1 else graph.add("Flatten", h, axis=1)), (size,)
        case Activate():
            return _activated(graph, step.name, h), shape
        case Scale():
            factor, offset = (_widened(graph, row, shape) for row in (step.factor, step.offset))
            return graph.add("Add", graph.add("Mul", h, factor), offset), shape
        case Normalize():
            # The operator wants factor and offset for each number that it normalizes over.
            factor, offset = (
                _float32(graph, np.broadcast_to(_wide(row, shape), shape))
                for row in (step.factor, step.offset)
            )
            normed = graph.add(
                "LayerNormalization", h, factor, offset, axis=1, epsilon=step.epsilon
            )
            return normed, shape
        case Add():
            entry = _run(graph, step.entry, h, shape)
            branches = [_run(graph, branch, entry, shape) for branch in step.branches]
            return reduce(lambda a, b: graph.add("Add", a, b), [h, *branches]), shape


def _embedded(graph: Graph, step: Embed, h: str) -> tuple[str, tuple[int, ...]]:
    """Numbers ``[N, P]`` become ``[P, N, 1]``, ``[P, N, E]``, ``[P, N, D]``, ``[N, P·D]``."""
    picked = graph.add("Gather", h, graph.constant(step.places, np.int64), axis=1)
    x = graph.add("Transpose", picked, perm=[1, 0])
    x = graph.add("Unsqueeze", x, graph.constant([2], np.int64))
    if step.turned is not None:
        angle = graph.add("Mul", x, _float32(graph, step.turned[:, None, :]))
        encoded = graph.add("Concat", graph.add("Cos", angle), graph.add("Sin", angle), axis=2)
        width = 2 * step.turned.shape[1]
    elif step.bins is not None:
        low, span, least, most = (_float32(graph, one[:, None, :]) for one in step.bins)
        share = graph.add("Div", graph.add("Sub", x, low), span)
        encoded = graph.add("Min", graph.add("Max", share, least), most)
        width = step.bins.shape[2]
    else:
        raise ValueError("an embedding has frequencies or bins")
    if step.weight is not None and step.bias is not None:
        product = graph.add("MatMul", encoded, _float32(graph, step.weight))
        encoded = graph.add("Relu", graph.add("Add", product, _float32(graph, step.bias)))
        width = step.weight.shape[2]
    units = len(step.places) * width
    by_row = graph.add("Transpose", encoded, perm=[1, 0, 2])
    flat = graph.add("Reshape", by_row, graph.constant([-1, units], np.int64))
    if not len(step.others):
        return flat, (units,)
    others = graph.add("Gather", h, graph.constant(step.others, np.int64), axis=1)
    return graph.add("Concat", flat, others, axis=1), (units + len(step.others),)


def _float32(graph: Graph, values: Array) -> str:
    return graph.constant(values, np.float32)


def _wide(row: Array, shape: tuple[int, ...]) -> Array:
    return row.reshape(-1, *[1] * (len(shape) - 1))


def _widened(graph: Graph, row: Array, shape: tuple[int, ...]) -> str:
    return _float32(graph, _wide(row, shape))


def _activated(graph: Graph, name: str, h: str) -> str:
    match name:
        case "relu":
            return graph.add("Relu", h)
        case "tanh":
            return graph.add("Tanh", h)
        case "silu":
            return graph.add("Mul", h, graph.add("Sigmoid", h))
        case "selu":
            return graph.add("Selu", h, alpha=_SELU_ALPHA, gamma=_SELU_GAMMA)
        case "leaky_relu":
            return graph.add("LeakyRelu", h, alpha=0.01)
        case "gelu":
            half = graph.constant(np.float32(0.5))
            root = graph.constant(np.float32(np.sqrt(0.5)))
            risen = graph.add("Erf", graph.add("Mul", h, root))
            risen = graph.add("Add", risen, graph.constant(np.float32(1.0)))
            return graph.add("Mul", graph.add("Mul", h, half), risen)
        case _:
            raise ValueError(f"the activation {name!r} has no operators here")


def _mean(graph: Graph, values: list[str], weights: Sequence[float] = ()) -> str:
    """Of the members' numbers; each by its share, where they do not all have the same."""
    if len(values) == 1:
        return values[0]
    if weights:
        shares = [_float32(graph, np.array(weight)) for weight in weights]
        pairs = zip(values, shares, strict=True)
        return graph.add("Sum", *(graph.add("Mul", value, share) for value, share in pairs))
    return graph.add("Mul", graph.add("Sum", *values), graph.constant(np.float32(1 / len(values))))


def _add_value(
    graph: Graph, model: TrainedModel, members: list[str], names: Mapping[str, str]
) -> None:
    """The target in its own unit, in float64."""
    scores = graph.add("Cast", _mean(graph, members, model.weights), to=_FLOAT64)
    if model.has_log_link:
        scores = graph.add("Exp", scores)
    scaled = graph.add("Mul", scores, graph.constant(np.float64(model.target_scale)))
    value = graph.add("Add", scaled, graph.constant(np.float64(model.target_center)))
    value = graph.add("Reshape", value, graph.constant([-1], np.int64))
    description = f"{model.target.column}, in the unit of the training data."
    graph.output(names["value"], value, np.float64, [ROWS], description)


def _add_classes(
    graph: Graph, model: TrainedModel, members: list[str], names: Mapping[str, str]
) -> None:
    """Probabilities, and the class that is answered."""
    target = model.target
    if target.task == "binary":
        sides = [
            _mean(graph, [graph.add("Sigmoid", side) for side in scores], model.weights)
            for scores in ([graph.add("Neg", member) for member in members], members)
        ]
        probabilities = graph.add("Concat", *sides, axis=1)
        best = _from_threshold(graph, model, members, sides)
    else:
        of_members = [graph.add("Softmax", member, axis=1) for member in members]
        probabilities = _mean(graph, of_members, model.weights)
        best = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    label = graph.add("Gather", graph.constant(target.classes, str), best)
    graph.output(names["label"], label, str, [ROWS], f"The class of {target.column}.")
    graph.output(
        names["probabilities"],
        probabilities,
        np.float32,
        [ROWS, len(target.classes)],
        "One a class, in this order: " + ", ".join(target.classes[:100]),
    )
    _add_number(graph, target, best, names["value"])


def _from_threshold(graph: Graph, model: TrainedModel, members: list[str], sides: list[str]) -> str:
    """Of a binary task: the positive class where its log-odds reach those of the threshold."""
    positive = model.target.positive_number or 0
    if len(members) == 1:
        odds = graph.add("Cast", members[0], to=_FLOAT64)
    else:
        lost, won = (graph.add("Log", graph.add("Cast", side, to=_FLOAT64)) for side in sides)
        odds = graph.add("Sub", won, lost)
    sign = graph.constant(np.float64(1 if positive == 1 else -1))
    reached = graph.add(
        "GreaterOrEqual",
        graph.add("Mul", odds, sign),
        graph.constant(np.float64(log_odds(model.threshold))),
    )
    numbers = (graph.constant(np.int64(positive)), graph.constant(np.int64(1 - positive)))
    best = graph.add("Where", reached, *numbers)
    return graph.add("Reshape", best, graph.constant([-1], np.int64))


def _add_number(graph: Graph, target: Target, best: str, name: str) -> None:
    """The class as a number, where classes are whole numbers."""
    numbers = target.whole_numbers
    if numbers is not None:
        value = graph.add("Gather", graph.constant(numbers, np.int64), best)
        graph.output(name, value, np.int64, [ROWS], f"The class of {target.column} as a number.")
