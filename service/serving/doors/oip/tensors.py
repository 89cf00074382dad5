"""Tensors of the Open Inference Protocol: datatypes, and the two forms of their elements.

As JSON, the elements are nested arrays or one flat array in row-major order. As bytes, they follow
the JSON part of a body: little-endian, BOOL one byte, BYTES four bytes with the length before each
element (Triton's extension `binary_tensor_data`). BYTES hold text here, in UTF-8.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidError
from worker.schema import Json
from worker.text import shortened

BYTES = "BYTES"
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    BYTES: np.dtype("O"),
}
"""The datatypes, and NumPy's for their elements; BYTES are objects, a `str` each."""
DATATYPES = {dtype: name for name, dtype in DTYPES.items()}
MOST_AXES = 8
LARGEST_AXIS = 2**31 - 1
_LENGTH = struct.Struct("<I")
_JSON_TYPES: dict[str, set[type]] = {
    "b": {bool},
    "u": {int},
    "i": {int},
    "f": {int, float, type(None)},
    "O": {str, type(None)},
}


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A named array."""

    name: str
    values: NDArray[Any]
    """Its elements, in its shape."""

    @property
    def datatype(self) -> str:
        """What the protocol calls the type of its elements."""
        return DATATYPES[self.values.dtype]

    def to_json(self) -> Any:
        """The elements as `orjson` writes them with `OPT_SERIALIZE_NUMPY`, flat and row-major."""
        flat = np.ascontiguousarray(self.values).reshape(-1)
        return flat.tolist() if flat.dtype.hasobject else flat

    def to_bytes(self) -> bytes:
        """The elements as bytes, row-major."""
        if not self.values.dtype.hasobject:
            return self.values.tobytes()
        texts: list[str] = self.values.reshape(-1).tolist()
        pieces = {text: _with_length(text.encode()) for text in dict.fromkeys(texts)}
        return b"".join([pieces[text] for text in texts])


def wrong(param: str, reason: str, **extra: Any) -> InvalidError:
    """The error of one field of a request's body."""
    return InvalidError(f"{param}: {reason}", param=param, **extra)


def read_shape(shape: Any, param: str) -> tuple[int, ...]:
    """A tensor's shape.

    Raises:
        InvalidError: it is no array of whole numbers from 0.
    """
    fits = type(shape) is list and len(shape) <= MOST_AXES
    if not fits or not all(type(size) is int and 0 <= size <= LARGEST_AXIS for size in shape):
        raise wrong(param, f"must be an array of at most {MOST_AXES} whole numbers from 0")
    return tuple(shape)


def dtype_of(datatype: Any, param: str) -> np.dtype[Any]:
    """NumPy's type of a datatype's elements.

    Raises:
        InvalidError: it is none of `DTYPES`.
    """
    if isinstance(datatype, str) and datatype in DTYPES:
        return DTYPES[datatype]
    hint = "; send FP32 in its place" if datatype == "BF16" else ""
    shown = shortened(datatype) if isinstance(datatype, str) else "this"
    raise wrong(
        param,
        f"must be one of {', '.join(DTYPES)}, not {shown}{hint}",
        code="unsupported_datatype",
    )


def from_bytes(
    data: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], param: str
) -> NDArray[Any]:
    """Elements of `shape` from their bytes; a view of `data` where that is possible.

    Raises:
        InvalidError: there are more or fewer bytes than the shape needs, or a text is not UTF-8.
    """
    if dtype.hasobject:
        return _texts(_text_elements(data, prod(shape), param), shape)
    needed = prod(shape) * dtype.itemsize
    if len(data) != needed:
        raise wrong(
            param,
            f"has {len(data):,} bytes; shape {list(shape)} of {DATATYPES[dtype]} needs {needed:,}",
        )
    if dtype.kind == "b":
        return np.frombuffer(data, dtype=np.uint8).reshape(shape).astype(np.bool_)
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def from_json(data: Any, dtype: np.dtype[Any], shape: tuple[int, ...], param: str) -> NDArray[Any]:
    """Elements of `shape` from arrays as JSON has them, nested in that shape or flat. A null among
    floats is NaN, and among texts the empty one: missing cells.

    Raises:
        InvalidError: they are of another shape or type, or beyond the range of the type.
    """
    flat = _flat(data, shape, param)
    strange = set(map(type, flat)) - _JSON_TYPES[dtype.kind]
    if strange:
        position = next(n for n, element in enumerate(flat) if type(element) in strange)
        raise wrong(param, f"has {_called(flat[position])} at {position}, no {DATATYPES[dtype]}")
    if dtype.hasobject:
        return _texts(["" if text is None else text for text in flat], shape)
    try:
        with np.errstate(over="ignore"):  # it becomes infinite, which no model takes
            return np.array(flat, dtype=dtype).reshape(shape)
    except OverflowError as error:
        raise wrong(param, f"has a number beyond the range of {DATATYPES[dtype]}") from error


def requested_bytes(parameters: Json, param: str) -> int | None:
    """How many bytes of a body are a tensor's, if its elements are sent as such.

    Raises:
        InvalidError: that is no whole number from 0.
    """
    size = parameters.get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise wrong(f"{param}.parameters.binary_data_size", "must be a whole number from 0")
    return size


def _flat(data: Any, shape: tuple[int, ...], param: str) -> Sequence[Any]:
    if type(data) is not list:
        raise wrong(param, "must be an array of the tensor's elements, nested or flat")
    level: list[Any] = data
    if data and type(data[0]) is list:
        level = [data]
        for depth, size in enumerate(shape):
            if not all(type(part) is list and len(part) == size for part in level):
                place = f"at depth {depth} " if depth else ""
                raise wrong(param, f"{place}is not nested as its shape {list(shape)} says")
            level = list(chain.from_iterable(level))
    elif len(data) != prod(shape):
        raise wrong(param, f"has {len(data):,} elements; shape {list(shape)} needs {prod(shape):,}")
    return level


def _text_elements(data: memoryview, count: int, param: str) -> list[str]:
    texts: list[str] = []
    start = 0
    while start + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        if length > len(data) - start:
            raise wrong(param, f"ends within element {len(texts)}, which has {length:,} bytes")
        try:
            texts.append(str(data[start : start + length], "utf-8"))
        except UnicodeDecodeError as error:
            raise wrong(param, f"element {len(texts)} is not UTF-8 ({error.reason})") from error
        start += length
    if start != len(data):
        raise wrong(param, f"ends within the length of element {len(texts)}")
    if len(texts) != count:
        raise wrong(param, f"has {len(texts):,} elements; its shape needs {count:,}")
    return texts


def _texts(texts: Sequence[str], shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array.reshape(shape)


def _with_length(text: bytes) -> bytes:
    return _LENGTH.pack(len(text)) + text


def _called(value: Any) -> str:
    """What JSON calls a value."""
    match value:
        case None:
            return "a null"
        case bool():
            return f"the boolean {str(value).lower()}"
        case str():
            return f"the text {shortened(value)!r}"
        case int() | float():
            return f"the number {shortened(str(value))}"
    return "an array or object"
