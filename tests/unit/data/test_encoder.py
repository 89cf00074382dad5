import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

from worker.data import Encoder, EncoderSchema, Table
from worker.data.table import categorical, numeric
from worker.errors import DataError, ModelError
from worker.spec import Preprocessing

STANDARDIZE, ROBUST, AS_IS = (
    Preprocessing(numeric=method) for method in ("standardize", "robust", "none")
)
COLORS = ["blue", "green", "red"]


def mixed() -> Table:
    return Table.of(
        [
            numeric("age", [1.0, 3.0, np.nan, 100.0]),
            categorical("color", COLORS, [0, 2, -1, 1]),
            numeric("size", [5.0, 5.0, 5.0, 9.0]),
        ]
    )


def fit(table: Table, rows: list[int], preprocessing: Preprocessing = STANDARDIZE) -> Encoder:
    return Encoder.fit(table, table.names, np.array(rows), preprocessing)


def test_a_mixed_table() -> None:
    encoder = fit(mixed(), [0, 1, 2])
    assert encoder.feature_names == ("age", "color=blue", "color=green", "color=red", "size")
    assert encoder.inputs == 5
    x = encoder.transform(mixed())
    assert x.dtype == np.float32
    half = np.sqrt(1.5)
    np.testing.assert_allclose(
        x,
        [
            [-half, 1, 0, 0, 0],
            [half, 0, 0, 1, 0],
            [0, 0, 0, 0, 0],  # the missing age is the training median; no color
            [98 * half, 0, 0, 0, 4],  # green is not in the training rows; size was constant
        ],
        rtol=1e-6,
    )


def test_as_is() -> None:
    x = fit(mixed(), [0, 1, 2], AS_IS).transform(mixed())
    np.testing.assert_array_equal(x[:, 0], [1, 3, 2, 100])
    np.testing.assert_array_equal(x[:, -1], [5, 5, 5, 9])


def test_robust_falls_back_to_the_deviation() -> None:
    values = np.array([0.0] * 9 + [10.0])
    encoder = fit(Table.of([numeric("zeros", values)]), list(range(10)), ROBUST)
    assert encoder.scale[0] == pytest.approx(values.std())


def test_a_column_without_values_encodes_to_zero() -> None:
    table = Table.of([numeric("empty", [np.nan, np.nan]), numeric("x", [1, 2])])
    np.testing.assert_array_equal(fit(table, [0, 1]).transform(table)[:, 0], [0, 0])


def test_a_constant_column_has_scale_one() -> None:
    table = Table.of([numeric("same", np.full(1000, 0.1))])
    encoder = fit(table, list(range(1000)))
    assert encoder.scale[0] == 1.0
    assert not encoder.transform(table).any()


@pytest.mark.parametrize(
    ("preprocessing", "scaler"), [(STANDARDIZE, StandardScaler), (ROBUST, RobustScaler)]
)
def test_agrees_with_scikit_learn(preprocessing: Preprocessing, scaler: type) -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=(200, 6)) * 10.0 ** rng.integers(-3, 4, size=6)
    values[rng.random(values.shape) < 0.1] = np.nan
    table = Table.of(numeric(f"c{number}", values[:, number]) for number in range(6))
    training = np.arange(0, 200, 2)
    reference = make_pipeline(SimpleImputer(strategy="median"), scaler()).fit(values[training])
    x = Encoder.fit(table, table.names, training, preprocessing).transform(table)
    np.testing.assert_allclose(x, reference.transform(values), rtol=1e-5, atol=1e-6)


def test_the_other_rows_have_no_influence() -> None:
    changed = Table.of(
        [
            numeric("age", [1.0, 3.0, np.nan, -7.0]),
            categorical("color", COLORS, [0, 2, 1, 1]),
            numeric("size", [5.0, 5.0, 8.0, np.nan]),
        ]
    )
    first, second = fit(mixed(), [0, 1]).constants(), fit(changed, [0, 1]).constants()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_categories_are_matched_by_name() -> None:
    encoder = fit(mixed(), [0, 1, 3])
    other = Table.of(
        [
            numeric("age", [1.0, 1.0, 1.0]),
            categorical("color", ["red", "violet", "green"], [0, 1, 2]),
            numeric("size", [5.0, 5.0, 5.0]),
        ]
    )
    np.testing.assert_array_equal(
        encoder.transform(other)[:, 1:4], [[0, 0, 1], [0, 0, 0], [0, 1, 0]]
    )


def test_another_kind_is_refused() -> None:
    other = Table.of(
        [
            numeric("age", [1.0]),
            numeric("color", [1.0]),
            numeric("size", [1.0]),
        ]
    )
    with pytest.raises(DataError, match="'color' is numeric here, but categorical"):
        fit(mixed(), [0, 1]).transform(other)


def test_round_trip_through_json_and_arrays() -> None:
    encoder = fit(mixed(), [0, 1, 2], ROBUST)
    schema = EncoderSchema.model_validate_json(encoder.schema().model_dump_json())
    again = Encoder.load(schema, encoder.constants())
    assert again.columns == encoder.columns
    assert again.preprocessing == ROBUST
    np.testing.assert_array_equal(again.transform(mixed()), encoder.transform(mixed()))


def test_constants_that_do_not_fit_are_refused() -> None:
    encoder = fit(mixed(), [0, 1])
    with pytest.raises(ModelError, match="'seen' has shape"):
        Encoder.load(encoder.schema(), encoder.constants() | {"seen": np.zeros(2)})
    with pytest.raises(ModelError, match="'fill' has shape None"):
        Encoder.load(encoder.schema(), {})


finite = st.floats(-3.4e38, 3.4e38, allow_nan=False)


@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=finite | st.just(np.nan),
    ),
    st.sampled_from([STANDARDIZE, ROBUST, AS_IS]),
    st.data(),
)
def test_inputs_are_finite_whatever_the_data(
    values: np.ndarray, preprocessing: Preprocessing, data: st.DataObject
) -> None:
    table = Table.of(numeric(f"c{number}", column) for number, column in enumerate(values.T))
    training = data.draw(st.integers(1, len(values)))
    encoder = fit(table, list(range(training)), preprocessing)
    assert np.isfinite(encoder.transform(table)).all()
    for name, constant in encoder.constants().items():
        assert np.isfinite(constant).all(), name


@given(st.lists(st.integers(-1, 2), min_size=2, max_size=20), st.data())
def test_one_hot_rows_sum_to_whether_the_category_was_seen(
    codes: list[int], data: st.DataObject
) -> None:
    table = Table.of([categorical("c", COLORS, codes)])
    training = data.draw(st.integers(1, len(codes)))
    encoder = fit(table, list(range(training)))
    assert encoder.inputs == len(table.columns[0].categories)
    seen = set(codes[:training])
    expected = [float(code >= 0 and code in seen) for code in codes]
    np.testing.assert_array_equal(encoder.transform(table).sum(axis=1), expected)
