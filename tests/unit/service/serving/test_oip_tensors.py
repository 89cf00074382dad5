"""Tensors: what was written is read again, in both forms, and by tritonclient's own code."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor, triton_to_np_dtype

from service.errors import InvalidError
from service.serving.doors.oip.tensors import (
    BYTES,
    DTYPES,
    Tensor,
    dtype_of,
    from_bytes,
    from_json,
    read_shape,
)

NUMERIC = [name for name in DTYPES if name != BYTES]
SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


def same(left: NDArray[Any], right: NDArray[Any]) -> None:
    assert (left.dtype, left.shape) == (right.dtype, right.shape)
    np.testing.assert_array_equal(left, right)


@settings(max_examples=60)
@given(st.data(), st.sampled_from(NUMERIC))
def test_numbers_come_back(data: st.DataObject, datatype: str) -> None:
    dtype = DTYPES[datatype]
    values = data.draw(arrays(dtype, SHAPES))
    tensor = Tensor("x", values)
    assert tensor.datatype == datatype
    sent = tensor.to_bytes()
    assert sent == values.tobytes()
    same(from_bytes(memoryview(sent), dtype, values.shape, "x"), values)
    finite = values if dtype.kind != "f" else np.nan_to_num(values, posinf=1.0, neginf=-1.0)
    text = orjson.dumps(Tensor("x", finite).to_json(), option=orjson.OPT_SERIALIZE_NUMPY)
    same(from_json(orjson.loads(text), dtype, values.shape, "x"), finite)
    if values.ndim:
        same(from_json(finite.tolist(), dtype, values.shape, "x"), finite)


@settings(max_examples=40)
@given(arrays(np.dtype("O"), SHAPES, elements=TEXTS, fill=st.nothing()))
def test_texts_come_back(values: NDArray[Any]) -> None:
    tensor = Tensor("x", values)
    sent = tensor.to_bytes()
    same(from_bytes(memoryview(sent), DTYPES[BYTES], values.shape, "x"), values)
    text = orjson.dumps(tensor.to_json())
    same(from_json(orjson.loads(text), DTYPES[BYTES], values.shape, "x"), values)
    read = deserialize_bytes_tensor(sent).tolist()
    assert read == [text.encode() for text in values.reshape(-1).tolist()]
    if values.size:
        assert serialize_byte_tensor(values).item() == sent


@pytest.mark.parametrize("datatype", NUMERIC)
def test_types_are_those_of_tritonclient(datatype: str) -> None:
    assert np.dtype(triton_to_np_dtype(datatype)) == DTYPES[datatype]


def test_missing_cells() -> None:
    read = from_json([1, None, 2.5], DTYPES["FP32"], (3,), "x")
    np.testing.assert_array_equal(read, np.array([1, np.nan, 2.5], dtype=np.float32))
    assert from_json([None, "a"], DTYPES[BYTES], (2,), "x").tolist() == ["", "a"]


def test_a_byte_beside_0_and_1_is_true() -> None:
    read = from_bytes(memoryview(b"\0\1\2"), DTYPES["BOOL"], (3,), "x")
    assert read.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (lambda: from_bytes(memoryview(b"123"), DTYPES["FP32"], (1,), "x"), "needs 4"),
        (lambda: from_bytes(memoryview(b"\1\0"), DTYPES[BYTES], (1,), "x"), "length of element 0"),
        (lambda: from_bytes(memoryview(b"\2\0\0\0a"), DTYPES[BYTES], (1,), "x"), "within element"),
        (lambda: from_bytes(memoryview(b"\1\0\0\0\xff"), DTYPES[BYTES], (1,), "x"), "not UTF-8"),
        (lambda: from_bytes(memoryview(bytes(8)), DTYPES[BYTES], (1,), "x"), "has 2 elements"),
        (lambda: from_json({}, DTYPES["FP32"], (1,), "x"), "nested or flat"),
        (lambda: from_json([1, 2], DTYPES["FP32"], (3,), "x"), "has 2 elements"),
        (lambda: from_json([[1], [2, 3], [4]], DTYPES["FP32"], (2, 2), "x"), "not nested"),
        (lambda: from_json([[1, 2, 3], [4]], DTYPES["FP32"], (2, 2), "x"), "at depth 1"),
        (lambda: from_json([[1], 2], DTYPES["FP32"], (2, 1), "x"), "at depth 1"),
        (lambda: from_json([1, [2]], DTYPES["FP32"], (2,), "x"), "an array or object at 1"),
        (lambda: from_json(["1"], DTYPES["FP32"], (1,), "x"), "the text '1' at 0"),
        (lambda: from_json([True], DTYPES["INT8"], (1,), "x"), "the boolean true at 0"),
        (lambda: from_json([1.5], DTYPES["INT64"], (1,), "x"), "the number 1.5 at 0"),
        (lambda: from_json([None], DTYPES["INT64"], (1,), "x"), "a null at 0"),
        (lambda: from_json([1], DTYPES["BOOL"], (1,), "x"), "the number 1 at 0"),
        (lambda: from_json([1], DTYPES[BYTES], (1,), "x"), "the number 1 at 0"),
        (lambda: from_json([256], DTYPES["UINT8"], (1,), "x"), "beyond the range of UINT8"),
        (lambda: from_json([-1], DTYPES["UINT64"], (1,), "x"), "beyond the range"),
        (lambda: dtype_of("BF16", "x"), "send FP32"),
        (lambda: dtype_of("float32", "x"), "must be one of BOOL"),
        (lambda: dtype_of(["FP32"], "x"), "must be one of BOOL"),
        (lambda: read_shape([1, -1], "x"), "whole numbers from 0"),
        (lambda: read_shape([True], "x"), "whole numbers from 0"),
        (lambda: read_shape("1", "x"), "whole numbers from 0"),
        (lambda: read_shape([1] * 9, "x"), "at most 8"),
        (lambda: read_shape([10**30], "x"), "whole numbers from 0"),
    ],
)
def test_what_is_wrong_is_named(read: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidError, match=says) as caught:
        read()
    assert caught.value.param == "x"


def test_a_length_that_lies_costs_nothing() -> None:
    with pytest.raises(InvalidError):
        from_bytes(memoryview(struct.pack("<I", 2**32 - 1)), DTYPES[BYTES], (1,), "x")
