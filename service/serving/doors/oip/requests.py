"""Requests of the Open Inference Protocol: tensors, outputs that are asked for, parameters.

Members that the protocol does not know are not looked at: its clients add some. Parameters of a
request are ours to know, since one that is misspelt would change an answer in silence.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from service.bodies import parsed
from service.errors import MalformedError, UnsupportedError
from service.serving.doors.oip.tensors import (
    Tensor,
    dtype_of,
    from_bytes,
    from_json,
    read_shape,
    requested_bytes,
    wrong,
)
from service.validation import LONGEST_GUESSED
from worker.models import AnswerSettings
from worker.schema import Json
from worker.spec import MOST_SAMPLES
from worker.text import shortened

MOST_TENSORS = 20_000
"""Inputs of a request; a table has at most 10,000 columns."""
LENGTH_HEADER = "Inference-Header-Content-Length"
SETTINGS = ("mc_samples", "seed", "calibrated", "coverage", "members")
"""Parameters that say how rows are to be answered, as in `AnswerSettings`."""
KNOWN = (*SETTINGS, "timeout", "binary_data_output", "extra")
HINTS = ("priority", "headers", "content_type")
"""Parameters of other servers and their clients that change no answer, and are not looked at; so
are those that begin with `triton_`."""
SEQUENCES = ("sequence_id", "sequence_start", "sequence_end")


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """An output that is asked for."""

    name: str
    binary: bool
    """Whether as bytes."""
    top: int
    """How many of the most probable classes, as texts; 0 for the tensor itself."""
    param: str
    """Where it stands in the request."""


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What a client asks."""

    id: str | None
    inputs: Sequence[Tensor]
    outputs: Sequence[WantedOutput] | None
    """Those that are asked for, in order; none for all."""
    binary: bool
    """Whether the outputs are wanted as bytes, unless one says otherwise."""
    settings: AnswerSettings
    seconds: float | None
    """How long the client waits at most."""
    extra: bool
    """Whether there may be inputs that the model does not know."""


def read_request(body: bytes, header_length: str) -> InferenceRequest:
    """Read a body, which is JSON with the tensors' bytes behind it.

    Args:
        body: as it was before it was compressed.
        header_length: the header `LENGTH_HEADER`: bytes of the JSON part; empty if that is all.

    Raises:
        MalformedError: it is not JSON.
        InvalidError: a member is wrong; `param` names it, as in `inputs.0.shape`.
        UnsupportedError: it asks for shared memory or for sequences.
    """
    end = _json_bytes(header_length, len(body))
    content = _object(_parsed(body if end == len(body) else body[:end]), "", "The body")
    parameters = _object(content.get("parameters", {}), "parameters")
    _check_parameters(parameters)
    request_id = content.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise wrong("id", "must be a text")
    binary = _boolean(parameters, "binary_data_output")
    return InferenceRequest(
        id=request_id,
        inputs=_inputs(content.get("inputs"), memoryview(body)[end:]),
        outputs=_outputs(content.get("outputs"), binary),
        binary=binary,
        settings=_settings(parameters),
        seconds=_seconds(parameters),
        extra=_extra(parameters),
    )


def _json_bytes(header_length: str, size: int) -> int:
    if not header_length:
        return size
    if not header_length.isdecimal() or len(header_length) > 12 or int(header_length) > size:
        raise MalformedError(
            f"The header {LENGTH_HEADER} is {shortened(header_length)}, and the body has {size:,} "
            "bytes; it must be the length of the body's JSON part."
        )
    return int(header_length)


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # It says more of what is wrong, and takes the NaN that some clients write for a number.
        return parsed(text)


def _object(value: Any, param: str, subject: str = "") -> Json:
    if type(value) is not dict:
        if param:
            raise wrong(param, "must be an object")
        raise MalformedError(f"{subject} must be an object of JSON, with the member inputs.")
    return value


def _inputs(listed: Any, data: memoryview) -> list[Tensor]:
    if type(listed) is not list or not 0 < len(listed) <= MOST_TENSORS:
        raise wrong("inputs", f"must be an array of 1 to {MOST_TENSORS:,} tensors")
    tensors: dict[str, Tensor] = {}
    start = 0
    for number, content in enumerate(listed):
        param = f"inputs.{number}"
        tensor, end = _input(_object(content, param), data, start, param)
        if tensors.setdefault(tensor.name, tensor) is not tensor:
            raise wrong(f"{param}.name", f"{shortened(tensor.name)!r} is given twice")
        start = end
    if start != len(data):
        raise wrong(
            "inputs",
            f"leave {len(data) - start:,} bytes behind the JSON part unread; say how many are each "
            "tensor's by parameters.binary_data_size",
        )
    return list(tensors.values())


def _input(content: Json, data: memoryview, start: int, param: str) -> tuple[Tensor, int]:
    """A tensor, and where its bytes end."""
    name = _name(content, param)
    dtype = dtype_of(content.get("datatype"), f"{param}.datatype")
    shape = read_shape(content.get("shape"), f"{param}.shape")
    parameters = _object(content.get("parameters", {}), f"{param}.parameters")
    _refuse_shared_memory(parameters, param)
    size = requested_bytes(parameters, param)
    if size is None:
        return Tensor(name, from_json(content.get("data"), dtype, shape, f"{param}.data")), start
    if size > len(data) - start:
        raise wrong(
            f"{param}.parameters.binary_data_size",
            f"is {size:,}, and {len(data) - start:,} bytes are left behind the JSON part, whose "
            f"length the header {LENGTH_HEADER} must say",
        )
    return Tensor(name, from_bytes(data[start : start + size], dtype, shape, param)), start + size


def _outputs(listed: Any, binary: bool) -> list[WantedOutput] | None:
    if listed is None or listed == []:
        return None
    if type(listed) is not list or len(listed) > MOST_TENSORS:
        raise wrong("outputs", "must be an array of the outputs that are wanted")
    outputs: dict[str, WantedOutput] = {}
    for number, content in enumerate(listed):
        param = f"outputs.{number}"
        name = _name(_object(content, param), param)
        parameters = _object(content.get("parameters", {}), f"{param}.parameters")
        _refuse_shared_memory(parameters, param)
        top = parameters.get("classification", 0)
        if type(top) is not int or not 0 <= top < 2**31:
            raise wrong(f"{param}.parameters.classification", "must be a whole number from 0")
        as_bytes = _boolean(parameters, "binary_data", f"{param}.parameters", default=binary)
        if name in outputs:
            raise wrong(f"{param}.name", f"{shortened(name)!r} is asked for twice")
        outputs[name] = WantedOutput(name, as_bytes, top, param)
    return list(outputs.values())


def _name(content: Json, param: str) -> str:
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise wrong(f"{param}.name", "must be a text")
    return name


def _check_parameters(parameters: Json) -> None:
    for name in parameters:
        if name in KNOWN or name in HINTS or name in SEQUENCES or name.startswith("triton_"):
            continue
        near = difflib.get_close_matches(name[:LONGEST_GUESSED], KNOWN, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(KNOWN)}"
        raise wrong(f"parameters.{shortened(name)}", f"is not a parameter here; {remedy}")
    if any(parameters.get(name) for name in SEQUENCES):
        raise UnsupportedError(
            "Models keep nothing from one request to the next, so there are no sequences; leave "
            "the parameters sequence_id, sequence_start and sequence_end out.",
            param="parameters.sequence_id",
        )


def _settings(parameters: Json) -> AnswerSettings:
    if not any(name in parameters for name in SETTINGS):
        return AnswerSettings()
    samples = _whole(parameters, "mc_samples") or 0
    if samples > MOST_SAMPLES:
        raise wrong("parameters.mc_samples", f"must be at most {MOST_SAMPLES:,}")
    return AnswerSettings(
        mc_samples=samples,
        seed=_whole(parameters, "seed") or 0,
        calibrated=_boolean(parameters, "calibrated"),
        coverage=_share(parameters, "coverage"),
        members=_boolean(parameters, "members"),
    )


def _share(parameters: Json, name: str) -> float | None:
    value = parameters.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value < 1:
        raise wrong(f"parameters.{name}", "must be a number between 0 and 1")
    return float(value)


def _seconds(parameters: Json) -> float | None:
    """Triton's `timeout` is in microseconds, and 0 is none."""
    microseconds = _whole(parameters, "timeout")
    return microseconds / 1e6 if microseconds else None


def _extra(parameters: Json) -> bool:
    extra = parameters.get("extra", "refuse")
    if extra not in ("refuse", "ignore"):
        raise wrong("parameters.extra", "must be refuse or ignore")
    return bool(extra == "ignore")


def _whole(parameters: Json, name: str) -> int | None:
    value = parameters.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < 2**63:
        raise wrong(f"parameters.{name}", "must be a whole number from 0")
    return value


def _boolean(
    parameters: Json, name: str, param: str = "parameters", *, default: bool = False
) -> bool:
    value = parameters.get(name, default)
    if type(value) is not bool:
        raise wrong(f"{param}.{name}", "must be true or false")
    return value


def _refuse_shared_memory(parameters: Json, param: str) -> None:
    if "shared_memory_region" in parameters:
        raise UnsupportedError(
            f"{param}: shared memory is not read or written here; send the tensor in the body, as "
            "bytes or as JSON.",
            param=f"{param}.parameters.shared_memory_region",
        )
