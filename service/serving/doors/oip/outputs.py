"""Outputs: a model's answers as tensors, and the reply that holds them.

Decisions:

* Classification gives `label` (BYTES [N]), `probabilities` (FP32 [N, C]) and, where its classes are
  whole numbers, `value` (INT64 [N]); regression gives `value` (FP64 [N]). What was asked for by
  parameters follows under its own name; of `coverage` `interval` (FP64 [N, 2]) or `prediction_set`
  (BOOL [N, C]).
* `classification` of a requested output (tritonclient's `class_count`) is for `probabilities`: the
  most probable classes of each row as BYTES [N, k], "probability:number:label". Triton writes the
  number with six decimals; here it has the digits of its float32, so that nothing is lost.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.serving.doors.exchange import PRIVATE_JSON, Headers, Reply
from service.serving.doors.oip.requests import LENGTH_HEADER, InferenceRequest, WantedOutput
from service.serving.doors.oip.tensors import BYTES, DTYPES, Tensor, wrong
from service.serving.encodings import compressed
from worker.data import Target
from worker.models import Answers
from worker.schema import Json

LABEL, PROBABILITIES, VALUE = "label", "probabilities", "value"
INTERVAL, PREDICTION_SET = "interval", "prediction_set"
_BINARY: Headers = [(b"content-type", b"application/octet-stream"), *PRIVATE_JSON[1:]]
_LENGTH = LENGTH_HEADER.lower().encode()


def output_names(target: Target) -> tuple[str, ...]:
    """The outputs of every answer, in order."""
    if target.task == "regression":
        return (VALUE,)
    return (LABEL, PROBABILITIES, *([] if target.whole_numbers is None else [VALUE]))


def check_outputs(request: InferenceRequest, target: Target) -> None:
    """Refuse, before anything is computed, outputs that there cannot be.

    Raises:
        InvalidError: naming the output.
    """
    for wanted in request.outputs or ():
        if request.settings.plain:
            _check_known(wanted, output_names(target))
        if wanted.top and (wanted.name, target.task == "regression") != (PROBABILITIES, False):
            raise wrong(
                f"{wanted.param}.parameters.classification",
                "is for the output probabilities of a classification",
            )


def reply(
    request: InferenceRequest,
    answers: Answers,
    *,
    model: str,
    version: int,
    warnings: int,
    accept: str,
) -> Reply:
    """The reply to a request.

    Args:
        request: what is asked.
        answers: the model's.
        model: its name.
        version: its version.
        warnings: how many there are; said among the reply's parameters.
        accept: the header Accept-Encoding.

    Raises:
        InvalidError: an output is asked for that there is not.
    """
    tensors = _tensors(request, answers)
    head: Json = {"model_name": model, "model_version": str(version)}
    if request.id is not None:
        head["id"] = request.id
    if warnings:
        head["parameters"] = {"warnings": warnings}
    listed: list[Json] = []
    parts: list[bytes] = []
    for tensor, binary in tensors:
        described: Json = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": tensor.values.shape,
        }
        if binary:
            parts.append(tensor.to_bytes())
            described["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            described["data"] = tensor.to_json()
        listed.append(described)
    head["outputs"] = listed
    text = orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)
    headers = [*PRIVATE_JSON]
    if any(binary for _, binary in tensors):
        headers = [*_BINARY, (_LENGTH, b"%d" % len(text))]
    body, coding = compressed(b"".join([text, *parts]) if parts else text, accept)
    if coding:
        headers.append((b"content-encoding", coding.encode()))
    return Reply(body, 200, headers)


def _tensors(request: InferenceRequest, answers: Answers) -> list[tuple[Tensor, bool]]:
    """The outputs that are asked for, in order, and whether each is wanted as bytes."""
    given = _given(answers)
    if request.outputs is None:
        return [(Tensor(name, given[name]()), request.binary) for name in given]
    tensors = []
    for wanted in request.outputs:
        _check_known(wanted, tuple(given))
        values = _ranked(answers, wanted.top) if wanted.top else given[wanted.name]()
        tensors.append((Tensor(wanted.name, values), wanted.binary))
    return tensors


def _given(answers: Answers) -> Mapping[str, Callable[[], NDArray[Any]]]:
    """Every output there is, made when it is asked for."""
    target, best, values = answers.target, answers.best, answers.values
    given: dict[str, Callable[[], NDArray[Any]]] = {}
    if values is not None:
        given[VALUE] = lambda: values
    probabilities = answers.probabilities
    if best is not None and probabilities is not None:
        given[LABEL] = lambda: np.array(target.classes, dtype=object)[best]
        given[PROBABILITIES] = lambda: probabilities
        if target.whole_numbers is not None:
            numbers = np.array(target.whole_numbers, dtype=np.int64)
            given[VALUE] = lambda: numbers[best]
    given |= {name: partial(_typed, column) for name, column in answers.further.items()}
    for name, array in ((INTERVAL, answers.interval), (PREDICTION_SET, answers.sets)):
        if array is not None:
            given[name] = partial(np.asarray, array)
    return given


def _typed(column: NDArray[Any]) -> NDArray[Any]:
    """A column in one of the protocol's types."""
    return column.astype(DTYPES[BYTES]) if column.dtype.kind in "UT" else column


def _ranked(answers: Answers, top: int) -> NDArray[Any]:
    """[N, k] texts: the k most probable classes of each row; of equal ones the first."""
    probabilities = answers.probabilities
    if probabilities is None:
        raise ValueError("a regression has no classes")
    classes = answers.target.classes
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    chosen = np.take_along_axis(probabilities, order, axis=1)
    texts = np.empty(order.shape, dtype=object)
    texts[...] = [
        [f"{score}:{number}:{classes[number]}" for score, number in zip(*row, strict=True)]
        for row in zip(chosen.astype(str).tolist(), order.tolist(), strict=True)
    ]
    return texts


def _check_known(wanted: WantedOutput, names: Sequence[str]) -> None:
    if wanted.name not in names:
        raise wrong(f"{wanted.param}.name", f"is no output here; there are {', '.join(names)}")
