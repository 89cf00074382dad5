import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.datasets import load_digits

from worker.data import Encoder, EncoderSchema, Outline, Table, prepare
from worker.data.pixels import PixelScaling
from worker.data.table import images, numeric
from worker.errors import DataError
from worker.spec import JobSpec, Preprocessing, Split

METHODS = ("standardize", "robust", "none")


def settings(method: str) -> Preprocessing:
    return Preprocessing.model_validate({"numeric": method})


def every(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_channels_are_standardized_by_their_training_rows(dtype: type) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 200, size=(60, 3, 5, 4)).astype(dtype)
    pixels[40:] += 50
    encoder = Encoder.fit(
        Table.of([images("image", pixels)]), ["image"], every(40), settings("standardize")
    )
    x = encoder.transform(Table.of([images("image", pixels)]))
    assert x.dtype == np.float32
    assert x.shape == (60, *encoder.shape) == (60, 3, 5, 4)
    np.testing.assert_allclose(x[:40].mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x[:40].std((0, 2, 3)), 1, atol=1e-5)
    raw = pixels.astype(np.float64)
    center, scale = raw[:40].mean((0, 2, 3)), raw[:40].std((0, 2, 3))
    expected = (raw - center[:, None, None]) / scale[:, None, None]
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_bytes_and_floats_agree_where_their_ranges_do(method: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, size=(30, 2, 3, 3)).astype(np.uint8)
    pixels[0, 0, 0, :2] = 0, 255
    rows = every(30)
    a, b = (PixelScaling.fit(p, rows, method) for p in (pixels, pixels.astype(np.float32)))
    np.testing.assert_allclose(a.center, b.center, rtol=1e-12)
    np.testing.assert_allclose(a.scale, b.scale, rtol=1e-12)
    np.testing.assert_array_equal(a.range, b.range)
    encoded = np.empty((2, *pixels.shape), dtype=np.float32)
    a.transform(pixels, encoded[0])
    a.transform(pixels.astype(np.float32), encoded[1])
    np.testing.assert_array_equal(encoded[0], encoded[1])


def test_without_a_method_pixels_are_brought_to_the_unit_interval() -> None:
    for values, expected in [
        (np.array([0, 51, 255], np.uint8), [0, 0.2, 1]),
        (np.array([0.1, 0.5, 1.0], np.float32), [0.1, 0.5, 1]),
        (np.array([-2, 0, 2], np.float32), [0, 0.5, 1]),
    ]:
        pixels = values.reshape(3, 1, 1, 1)
        out = np.empty(pixels.shape, dtype=np.float32)
        PixelScaling.fit(pixels, every(3), "none").transform(pixels, out)
        np.testing.assert_allclose(out.reshape(-1), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_robust_is_as_numpy_says(dtype: type) -> None:
    pixels = np.random.default_rng(1).integers(0, 90, size=(7, 1, 3, 2)).astype(dtype)
    scaling = PixelScaling.fit(pixels, every(7), "robust")
    low, width = scaling.range[0], scaling.range[1] - scaling.range[0]
    first, median, third = np.quantile(pixels, (0.25, 0.5, 0.75))
    np.testing.assert_allclose(scaling.center * width + low, median)
    np.testing.assert_allclose(scaling.scale * width, third - first)


def test_series_of_few_values_mostly_zero_fall_back_to_the_deviation() -> None:
    series = np.zeros((10, 2, 5), dtype=np.float32)
    series[0] = 3
    scaling = PixelScaling.fit(series, every(10), "robust")
    np.testing.assert_allclose(scaling.scale * 3, series.std(axis=(0, 2)), rtol=1e-6)


SHAPES = npst.array_shapes(min_dims=3, max_dims=4, max_side=4)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    npst.arrays(np.uint8, SHAPES) | npst.arrays(np.float32, SHAPES, elements=FINITE),
    st.sampled_from(METHODS),
)
def test_every_input_is_finite(pixels: np.ndarray, method: str) -> None:
    out = np.empty(pixels.shape, dtype=np.float32)
    PixelScaling.fit(pixels, every(max(1, len(pixels) // 2)), method).transform(pixels, out)
    assert np.isfinite(out).all()


def test_a_stored_encoder_encodes_alike() -> None:
    digits = load_digits().images.astype(np.float32)
    table = Table.of([images("image", digits[:, None])])
    encoder = Encoder.fit(table, ["image"], every(900), settings("standardize"))
    schema = EncoderSchema.model_validate_json(encoder.schema().model_dump_json())
    again = Encoder.load(schema, encoder.constants())
    np.testing.assert_array_equal(again.transform(table), encoder.transform(table))
    assert again.columns == encoder.columns
    assert (encoder.inputs, encoder.shape) == (64, (1, 8, 8))
    assert encoder.feature_names[9] == "image[0,1,1]"
    assert encoder.pixels is not None
    unit = encoder.transform(table) * encoder.pixels.scale + encoder.pixels.center
    np.testing.assert_allclose(unit, digits[:, None] / 16, atol=1e-6)


def test_another_shape_is_refused() -> None:
    table = Table.of([images("image", np.zeros((3, 1, 2, 2), np.uint8))])
    encoder = Encoder.fit(table, ["image"], every(3), settings("standardize"))
    with pytest.raises(DataError, match="shape"):
        encoder.transform(Table.of([images("image", np.zeros((3, 1, 2, 3), np.uint8))]))


def test_images_are_prepared_fold_by_fold_and_alone() -> None:
    digits = load_digits()
    pair = [images("image", digits.images[:, None]), numeric("digit", digits.target)]
    spec = JobSpec(dataset="ds_12345678", target="digit", split=Split(folds=3))
    prepared, outline = prepare(Table.of(pair), spec), Outline.of(Table.of(pair), spec)
    assert prepared.x.shape == (3, 1797, 1, 8, 8)
    assert prepared.shape == outline.shape == (1, 8, 8)
    assert outline.inputs == 64
    for split, x in zip(prepared.splits, prepared.x, strict=True):
        np.testing.assert_allclose(x[split.train].mean(), 0, atol=1e-5)
    mixed = Table.of([*pair, numeric("age", np.arange(1797.0))])
    with pytest.raises(DataError, match="networks take them alone, without 'age'"):
        Outline.of(mixed, spec)
    with pytest.raises(DataError, match="holds images or series"):
        Outline.of(Table.of(pair), JobSpec(dataset="ds_12345678", target="image"))
