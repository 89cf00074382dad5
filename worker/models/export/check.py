"""The check of an exported file: it answers as the model that serves, and nothing in it is random.

An exported probability may differ by `TOLERANCE`, and a value by that share of its size: the
same numbers are added in another order. Where numbers are larger than usual, so is what rounding
leaves: beyond `USUAL` the allowance grows as the largest feature or score of the row. The class
that is answered may differ only where the probabilities decide it by less than that.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from worker.data import Target
from worker.errors import ModelError
from worker.models.answers import Answers
from worker.models.export.archive import load_archive, tensors
from worker.models.export.onnx_graph import graph_output_names
from worker.models.export.rows import SampleRows
from worker.models.trained_model import TrainedModel

if TYPE_CHECKING:
    import onnx

TOLERANCE = 1e-5
"""Of probabilities, and of values relative to their size."""
USUAL = 8.0
"""Features and scores up to here are of usual size."""

ONNX_RANDOM = frozenset(
    {
        "Bernoulli",
        "Dropout",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
TORCH_DROPOUT = frozenset(
    {
        "alpha_dropout",
        "dropout",
        "feature_alpha_dropout",
        "feature_dropout",
        "native_dropout",
    }
)

Runner = Callable[[SampleRows], Answers]
"""Answers rows by an exported file."""


def check_onnx(data: bytes, model: TrainedModel, rows: SampleRows) -> float:
    """Check an ONNX file; the largest difference from the model, as a share of what is allowed.

    Raises:
        ModelError: `export_keeps_dropout` or `export_disagrees`.
    """
    import onnx

    proto = onnx.load_model_from_string(data)
    onnx.checker.check_model(proto)
    refuse_random(onnx_random(proto))
    return compare(model, rows, onnx_runner(data, model))


def check_pt2(data: bytes, model: TrainedModel, rows: SampleRows) -> float:
    """Check a torch.export archive likewise.

    Raises:
        ModelError: `export_holds_pickle`, `export_keeps_dropout` or `export_disagrees`.
    """
    program = load_archive(data)
    refuse_random(torch_random(program.graph_module))
    module = program.module()

    @torch.no_grad()
    def run(part: SampleRows) -> Answers:
        named = {name: t.numpy() for name, t in module(**tensors(model, part)).items()}
        return _answers(model.target, named)

    return compare(model, rows, run)


def check_safetensors(data: bytes, model: TrainedModel, rows: SampleRows) -> float:
    """Check a model file of one trial: its answers are the same to the bit.

    Raises:
        ModelError: `export_disagrees`.
    """
    loaded = TrainedModel.load(data, 0)

    def run(part: SampleRows) -> Answers:
        answers = loaded.answer(loaded.encode(part.table))
        numbers = loaded.target.whole_numbers
        if numbers is None or answers.best is None:
            return answers
        return replace(answers, further={"value": np.asarray(numbers)[answers.best]})

    return compare(model, rows, run, tolerance=0.0)


def onnx_runner(data: bytes, model: TrainedModel) -> Runner:
    """ONNX Runtime on one thread, fed with raw columns."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = {name: output for output, name in graph_output_names(model).items()}
    wanted = [output.name for output in session.get_outputs()]
    code_of = {name: number for number, name in enumerate(model.target.classes)}

    def run(rows: SampleRows) -> Answers:
        outputs = session.run(wanted, onnx_feeds(model, rows))
        named = {names[name]: values for name, values in zip(wanted, outputs, strict=True)}
        if "label" in named:
            best = [code_of.get(label, -1) for label in named.pop("label").tolist()]
            named["best"] = np.array(best)
        return _answers(model.target, named)

    return run


def onnx_feeds(model: TrainedModel, rows: SampleRows) -> dict[str, NDArray[Any]]:
    """Raw columns as the ONNX file takes them."""
    feeds: dict[str, NDArray[Any]] = {}
    for column in model.encoder.columns:
        values = rows.table.values[column.name]
        if column.kind == "categorical":
            feeds[column.name] = rows.texts[column.name][:, None]
        else:
            feeds[column.name] = values if column.kind == "image" else values[:, None]
    return feeds


def refuse_random(found: list[str]) -> None:
    """Refuse a graph that has such operators.

    Raises:
        ModelError: with code `export_keeps_dropout`.
    """
    if found:
        listed = ", ".join(dict.fromkeys(found))
        raise ModelError(
            f"The exported graph keeps what acts in training mode only: {listed}. Its answers "
            "would differ from one call to the next, or with their batch; it is not published.",
            code="export_keeps_dropout",
            operators=list(dict.fromkeys(found)),
        )


def onnx_random(model: "onnx.ModelProto") -> list[str]:
    """Operators that drop, draw, or normalize by their batch, in the graph and all below it."""
    nodes = list(_onnx_nodes(model.graph))
    for function in model.functions:
        nodes += function.node
    return [
        node.op_type
        for node in nodes
        if node.op_type in ONNX_RANDOM
        or (
            node.op_type == "BatchNormalization"
            and any(a.name == "training_mode" and a.i for a in node.attribute)
        )
    ]


def _onnx_nodes(graph: "onnx.GraphProto") -> Iterator["onnx.NodeProto"]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _onnx_nodes(inner)


def torch_random(module: torch.fx.GraphModule) -> list[str]:
    """The same of a traced module: dropout, what torch tags as drawing, batch norm in training."""
    names = []
    for part in module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            operator = node.target
            if not isinstance(operator, torch._ops.OpOverload):
                continue
            name = operator._schema.name.partition("::")[2].rstrip("_")
            draws = torch.Tag.nondeterministic_seeded in operator.tags
            if draws or name in TORCH_DROPOUT or _batch_norm_in_training(operator, name, node.args):
                names.append(str(operator))
    return names


def _batch_norm_in_training(
    operator: torch._ops.OpOverload, name: str, values: tuple[Any, ...]
) -> bool:
    if "batch_norm" not in name:
        return False
    names = [argument.name for argument in operator._schema.arguments]
    given = dict(zip(names, values, strict=False))
    return bool(given.get("training", given.get("train", False)))


def _answers(target: Target, named: Mapping[str, NDArray[Any]]) -> Answers:
    if target.task == "regression":
        return Answers(target, values=named["value"])
    further = {"value": named["value"]} if "value" in named else {}
    return Answers(target, named["probabilities"], named["best"], further=further)


def compare(
    model: TrainedModel, rows: SampleRows, run: Runner, tolerance: float = TOLERANCE
) -> float:
    """Compare an exported file with the model: all rows at once, then one alone.

    Returns:
        The largest difference, in units of what is allowed.

    Raises:
        ModelError: with code `export_disagrees`, naming the largest difference.
    """
    worst = Mismatch(0.0, 0.0, "")
    for part in (rows, rows.part(slice(1, 2))):
        features = model.encode(part.table)
        scores = model.forward(features)
        live = model.read_scores(scores)
        flat = np.abs(features.reshape(len(features), -1)).max(axis=1, initial=0.0)
        size = np.maximum(flat, np.abs(scores).max(axis=1)) / USUAL
        allowed = tolerance * np.maximum(size, 1.0)
        worst = max(worst, *_differences(model, live, run(part), allowed), key=_share)
    if worst.share > 1:
        raise ModelError(
            f"The exported file does not answer as the model does: {worst.what} differ by up to "
            f"{worst.size:.3g}. It is not published.",
            code="export_disagrees",
            difference=worst.size if np.isfinite(worst.size) else None,
        )
    return worst.share


@dataclass(frozen=True)
class Mismatch:
    """The largest one of its kind."""

    share: float
    """Of what is allowed; beyond 1 the file is refused."""
    size: float
    what: str


def _share(difference: Mismatch) -> float:
    return difference.share


def _differences(
    model: TrainedModel, live: Answers, exported: Answers, allowed: NDArray[np.float64]
) -> Iterator[Mismatch]:
    """Of rows that the model itself answers with finite numbers."""
    if live.values is not None and exported.values is not None:
        size = np.maximum(np.abs(live.values), model.target_scale)
        yield _largest(live.values, exported.values, allowed * size, "values")
        return
    if live.probabilities is None or exported.probabilities is None:
        raise ValueError("answers of two kinds")
    yield _largest(live.probabilities, exported.probabilities, allowed[:, None], "probabilities")
    yield _of_classes(model, live, exported, allowed)


def _largest(
    live: NDArray[Any], exported: NDArray[Any], allowed: NDArray[np.float64], what: str
) -> Mismatch:
    if live.shape != exported.shape:
        return Mismatch(np.inf, np.inf, f"shapes {live.shape} and {exported.shape} of the {what}")
    finite = np.isfinite(live)
    difference = np.abs(live[finite].astype(np.float64) - exported[finite])
    difference = np.where(np.isnan(difference), np.inf, difference)
    if not difference.size:
        return Mismatch(0.0, 0.0, what)
    share = _shares(difference, np.broadcast_to(allowed, live.shape)[finite])
    at = int(share.argmax())
    return Mismatch(float(share[at]), float(difference[at]), what)


def _shares(difference: NDArray[np.float64], allowed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences as shares of what is allowed, which may be nothing."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(difference > 0, difference / allowed, 0.0)


def _of_classes(
    model: TrainedModel, live: Answers, exported: Answers, allowed: NDArray[np.float64]
) -> Mismatch:
    """Classes that differ, unless probabilities are as good as tied."""
    probabilities, best, other = live.probabilities, live.best, exported.best
    if probabilities is None or best is None or other is None:
        raise ValueError("answers without classes")
    numbers = model.target.whole_numbers
    value = exported.further.get("value")
    if (numbers is None) != (value is None) or (
        value is not None and (np.asarray(numbers or ())[other] != value).any()
    ):
        return Mismatch(np.inf, np.inf, "labels and the numbers that they are")
    rows = np.arange(len(best))
    if model.target.task == "binary":
        positive = model.target.positive_number or 0
        margin = np.abs(probabilities[:, positive] - model.threshold)
    else:
        margin = probabilities[rows, best] - probabilities[rows, other]
    wrong = (best != other) & np.isfinite(probabilities).all(axis=1)
    margin = np.where(wrong & (other >= 0), margin, np.where(wrong, 1.0, 0.0)).astype(np.float64)
    share = _shares(margin, 2 * allowed)
    at = int(share.argmax())
    return Mismatch(float(share[at]), float(margin[at]), "the probabilities of other classes")
