import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from worker.data import Outline, prepare
from worker.data.npz import read_npz
from worker.data.reading import LIMITS, FileLimits
from worker.errors import DataError
from worker.spec import JobSpec, Split


def write(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path / "data.npz", **arrays)
    return path / "data.npz"


def refuse(path: Path, limits: FileLimits = LIMITS) -> DataError:
    with pytest.raises(DataError) as caught:
        read_npz(path, limits)
    assert caught.value.param == "file"
    return caught.value


def test_features(tmp_path: Path) -> None:
    x = np.array([[1, 2.5], [np.nan, -1]])
    table = read_npz(write(tmp_path, x=x, y=np.array(["b", "a"])))
    assert table.names == ("x1", "x2", "y")
    assert (table.target, dict(table.parts)) == ("y", {})
    np.testing.assert_array_equal(table.values["x1"], [1, np.nan])
    assert table.column("x1").missing == 1
    assert table.column("y").categories == ("a", "b")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 6, 7), (1, 6, 7)),
        ((5, 3, 6, 7), (3, 6, 7)),
        ((5, 6, 7, 3), (3, 6, 7)),
        ((5, 1, 6, 7), (1, 6, 7)),
        ((5, 6, 7, 4), (4, 6, 7)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.int64, np.float16, np.bool_])
def test_images(
    tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...], dtype: type
) -> None:
    x = np.random.default_rng(0).integers(0, 2, size=shape).astype(dtype)
    table = read_npz(write(tmp_path, x=x, y=np.arange(5)))
    assert table.names == ("image", "y")
    column, values = table.column("image"), table.values["image"]
    assert (column.kind, column.shape) == ("image", expected)
    assert values.dtype == (np.uint8 if dtype is np.uint8 else np.float32)
    last = shape[1:] != expected and len(shape) == 4
    plain = np.moveaxis(x, 3, 1) if last else x
    np.testing.assert_array_equal(values, plain.reshape(values.shape).astype(values.dtype))


def test_series_by_name(tmp_path: Path) -> None:
    series = np.arange(24.0).reshape(4, 2, 3)
    table = read_npz(write(tmp_path, series=series, y=np.arange(4)[:, None] % 2 == 0))
    assert table.column("series").shape == (2, 3)
    np.testing.assert_array_equal(table.values["series"], series.astype(np.float32))
    assert table.column("y").categories == ("false", "true")


def test_parts_are_joined_in_order_and_kept_apart_when_asked(tmp_path: Path) -> None:
    digits = load_digits()
    images = digits.images.astype(np.uint8)
    path = write(
        tmp_path,
        x_test=images[:300],
        y_test=digits.target[:300],
        x_train=images[300:],
        y_train=digits.target[300:],
    )
    table = read_npz(path)
    assert dict(table.parts) == {"train": len(images) - 300, "test": 300}
    np.testing.assert_array_equal(table.values["image"][-300:, 0], images[:300])
    np.testing.assert_array_equal(table.values["y"][:-300], digits.target[300:])
    spec = JobSpec(dataset="ds_12345678", split=Split(rows="given", validation=0.1))
    prepared, outline = prepare(table, spec, table.target), Outline.of(table, spec, table.target)
    (split,) = prepared.splits
    np.testing.assert_array_equal(split.test, np.arange(len(images) - 300, len(images)))
    assert len(split.validation) == round(0.1 * (len(images) - 300))
    assert prepared.x.shape == (1, 1797, 1, 8, 8)
    assert prepared.shape == outline.shape == (1, 8, 8)
    assert (outline.inputs, outline.outputs) == (64, 10)


@pytest.mark.parametrize(
    ("arrays", "code", "fragment"),
    [
        ({"x": np.ones((3, 2))}, "unknown_layout", "'x'"),
        ({"x": np.ones((3, 2)), "y": np.ones(3), "z": np.ones(3)}, "unknown_layout", "'z'"),
        ({"x": np.ones((3, 2)), "series": np.ones(3)}, "unknown_layout", "arrays x and y"),
        ({"x": np.ones((3, 2)), "y": np.ones(4)}, "shape_mismatch", "'x' has shape (3, 2)"),
        ({"x": np.ones(3), "y": np.ones(3)}, "unknown_layout", "[N, F]"),
        ({"x": np.float64(1), "y": np.ones(3)}, "shape_mismatch", "'x' has shape ()"),
        ({"x": np.ones((2, 9, 9, 9)), "y": np.ones(2)}, "unknown_layout", "neither"),
        ({"x": np.ones((2, 3, 9, 3)), "y": np.ones(2)}, "unknown_layout", "both"),
        ({"x": np.ones((2, 0)), "y": np.ones(2)}, "too_many_columns", "0 features"),
        ({"x": np.ones((0, 2)), "y": np.ones(0)}, "no_rows", "'x' has no rows"),
        ({"x": np.ones((2, 0, 3)), "y": np.ones(2)}, "unknown_layout", "nothing"),
        ({"x": np.ones((2, 2)), "y": np.eye(2)}, "unknown_layout", "one-hot"),
        ({"x": np.ones((2, 2), complex), "y": np.ones(2)}, "unsupported_column", "complex"),
        ({"x": np.ones((2, 2)), "y": np.array([b"a", b"b"])}, "unsupported_column", "'y'"),
        ({"x": np.array([[1.0], [np.inf]]), "y": np.ones(2)}, "not_finite", "row 1"),
        ({"x": np.array([[[1.0]], [[np.nan]]]), "y": np.ones(2)}, "not_finite", "row 1"),
        ({"x": np.array([[1e39], [1.0]]), "y": np.ones(2)}, "not_finite", "row 0"),
        ({"series": np.ones((2, 2)), "y": np.ones(2)}, "unknown_layout", "[N, C, L]"),
        (
            {
                "x_train": np.ones((2, 2)),
                "y_train": np.ones(2),
                "x_test": np.ones((2, 3)),
                "y_test": np.ones(2),
            },
            "shape_mismatch",
            "'x_test' does not continue 'x_train'",
        ),
    ],
)
def test_refusals(tmp_path: Path, arrays: Any, code: str, fragment: str) -> None:
    error = refuse(write(tmp_path, **arrays))
    assert error.code == code
    assert fragment in error.message


def test_objects_are_refused_by_their_header_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, x=np.ones((2, 2)), y=np.array([{}, None], dtype=object))

    def read(*_: Any, **__: Any) -> None:
        raise AssertionError("an array was read")

    monkeypatch.setattr(np.lib.format, "read_array", read)
    error = refuse(path)
    assert error.code == "pickled_array"
    assert "'y'" in error.message


def test_sizes_are_refused_by_their_headers(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    header = (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 28, 28), }".ljust(117)
        + b"\n"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header)
        archive.writestr("y.npy", header)
    assert refuse(path).code == "too_large"
    small = write(tmp_path, x=np.ones((3, 2)), y=np.ones(3))
    assert refuse(small, FileLimits(bytes=60)).code == "too_large"
    assert refuse(small, FileLimits(rows=2)).code == "too_many_rows"
    assert refuse(small, FileLimits(columns=1)).code == "too_many_columns"


def test_damage_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, x=np.random.default_rng(0).normal(size=(99, 9)), y=np.ones(99))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refuse(path).code == "not_npz"
    path.write_bytes(whole[:200] + bytes(60) + whole[260:])
    assert refuse(path).code == "not_npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"no array")
        archive.writestr("y.npy", b"\x93NUMPY\x01\x00\x04\x00{}  ")
    assert refuse(path).code == "not_npz"


@pytest.mark.parametrize("order", ["<", ">"])
def test_labels_hold_no_letters_beyond_unicode(tmp_path: Path, order: str) -> None:
    letters = np.array([ord("a"), 0x110000, ord("b"), 0], dtype=f"{order}u4")
    error = refuse(write(tmp_path, x=np.zeros((2, 1)), y=letters.view(f"{order}U2")))
    assert error.code == "not_utf8"
    kept = np.array(["a", "\U0010ffff"], dtype=f"{order}U1")
    table = read_npz(write(tmp_path, x=np.zeros((2, 1)), y=kept))
    assert table.column("y").categories == ("a", "\U0010ffff")
