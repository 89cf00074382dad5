import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

from worker.data import Column, Encoder, EncoderSchema, Table
from worker.data.calendar import date_parts
from worker.data.table import Cells, categorical, numeric
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
            [98 * half, 0, 0, 0, 0],  # green is not in the training rows; size was constant
        ],
        rtol=1e-6,
    )


def test_as_is() -> None:
    x = fit(mixed(), [0, 1, 2], AS_IS).transform(mixed())
    np.testing.assert_array_equal(x[:, 0], [1, 3, 2, 100])
    np.testing.assert_array_equal(x[:, -1], [0, 0, 0, 0])  # constant in the training rows


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
    assert again.left_out == encoder.left_out == ()
    np.testing.assert_array_equal(again.transform(mixed()), encoder.transform(mixed()))


ZEROS, SAME = np.zeros(5), np.full(5, 5.0)
EMPTY = np.full(5, np.nan)


@pytest.mark.parametrize("preprocessing", [STANDARDIZE, ROBUST, AS_IS])
@pytest.mark.parametrize(
    "training",
    [ZEROS, SAME, -1e30 * np.ones(5), np.full(5, 0.1), EMPTY, np.array([7, np.nan, 7, 7, np.nan])],
)
def test_a_number_that_training_rows_do_not_tell_apart_never_acts(
    training: np.ndarray, preprocessing: Preprocessing
) -> None:
    table = Table.of([numeric("k", training), numeric("x", np.arange(5.0))])
    encoder = fit(table, list(range(5)), preprocessing)
    later = [7.0, 8.0, 1000.0, -1e38, np.nan]
    x = encoder.transform(Table.of([numeric("k", later), numeric("x", later)]))
    np.testing.assert_array_equal(x[:, 0], np.zeros(5))
    assert x[:4, 1].all()
    again = Encoder.load(encoder.schema(), encoder.constants())
    np.testing.assert_array_equal(again.transform(table), encoder.transform(table))


def test_more_numbers_than_one_block_act_or_do_not() -> None:
    values = np.arange(3.0)[:, None] * (np.arange(200) % 3 > 0)
    table = Table.of(numeric(f"c{number}", column) for number, column in enumerate(values.T))
    shifted = Table.of(numeric(f"c{number}", column + 9) for number, column in enumerate(values.T))
    acts = fit(table, [0, 1, 2]).transform(shifted).any(axis=0)
    np.testing.assert_array_equal(acts, np.arange(200) % 3 > 0)


def test_a_category_of_all_training_rows_never_acts_unless_some_lack_it() -> None:
    table = Table.of([categorical("color", COLORS, [1, 1, 0, -1, 1])])
    np.testing.assert_array_equal(fit(table, [0, 1]).transform(table), np.zeros((5, 2)))
    with_missing = fit(table, [0, 1, 3]).transform(table)
    np.testing.assert_array_equal(with_missing[:, 1], [1, 1, 0, 0, 1])


def test_in_a_file_of_an_earlier_release_numbers_act_unless_it_says_that_they_were_one() -> None:
    encoder = fit(mixed(), [0, 1, 2])
    stored = {name: array for name, array in encoder.constants().items() if name != "acts"}
    silent = Encoder.load(encoder.schema(), stored)
    np.testing.assert_array_equal(silent.acts, encoder.acts)
    stored = {name: array for name, array in stored.items() if name not in ("low", "high")}
    schema = EncoderSchema.model_validate(
        {"columns": encoder.columns, "preprocessing": encoder.preprocessing}
    )
    again = Encoder.load(schema, stored)
    np.testing.assert_array_equal(again.transform(mixed())[:, -1], [0, 0, 0, 4])
    assert again.left_out == ()


def date(name: str, values: list[float], *, time_of_day: bool = False) -> Cells:
    column = Column(name=name, kind="date", time_of_day=time_of_day)
    return column, np.array(values, dtype=np.float64)


LEAP, MONDAY = 19782.0, 19786.0
"""2024-02-29, a Thursday, and 2024-03-04."""


def test_a_date_becomes_numbers_with_names_that_say_so() -> None:
    table = Table.of([date("signup", [MONDAY, LEAP, np.nan]), numeric("x", [1, 2, 3])])
    encoder = fit(table, [0, 1, 2], AS_IS)
    assert encoder.feature_names == (
        "signup.year",
        "signup.month",
        "signup.weekday",
        "signup.day_of_year_sin",
        "signup.day_of_year_cos",
        "signup.days",
        "x",
    )
    assert (encoder.inputs, encoder.widths, encoder.shape) == (7, (6, 1), (7,))
    x = encoder.transform(table)
    np.testing.assert_array_equal(x[:, 0], [0, 0, 0])  # one year in all rows
    np.testing.assert_array_equal(x[:, 1], [3, 2, 2])
    np.testing.assert_array_equal(x[:, 2], [0, 3, 3])
    turn = 2 * np.pi * np.array([63, 59, 59]) / 366
    np.testing.assert_allclose(x[:, 3], np.sin(turn), rtol=1e-6)
    np.testing.assert_allclose(x[:, 4], np.cos(turn), rtol=1e-6)
    np.testing.assert_array_equal(x[:, 5], [4, 0, 0])  # the missing one is the earlier median
    np.testing.assert_array_equal(x[:, 6], [1, 2, 3])


def test_parts_of_dates_are_scaled_as_numbers_are() -> None:
    rng = np.random.default_rng(0)
    values = np.floor(rng.uniform(-30_000, 30_000, size=80)) + rng.integers(0, 24, size=80) / 24
    training = np.arange(0, 80, 2)
    table = Table.of([date("at", values.tolist(), time_of_day=True), numeric("x", values)])
    for preprocessing, scaler in ((STANDARDIZE, StandardScaler()), (ROBUST, RobustScaler())):
        parts = np.column_stack([date_parts(values, time_of_day=True), values])
        reference = scaler.fit(parts[training]).transform(parts)
        x = Encoder.fit(table, table.names, training, preprocessing).transform(table)
        assert x.shape == (80, 9)
        np.testing.assert_allclose(x, reference, rtol=1e-4, atol=1e-5)


def test_days_count_from_the_first_training_row_of_each_split() -> None:
    table = Table.of([date("day", [10.0, 20.0, 30.0, 5.0])])
    for rows, first in (([0, 1], 10), ([1, 2], 20), ([2, 3, 0], 5)):
        x = fit(table, rows, AS_IS).transform(table)
        np.testing.assert_array_equal(x[:, 5], np.array([10, 20, 30, 5]) - first)


def test_dates_survive_the_model_file() -> None:
    table = Table.of(
        [
            numeric("a", [1, 2, 4]),
            date("day", [-5.0, np.nan, 7.5], time_of_day=True),
            categorical("color", COLORS, [0, 1, 2]),
            date("empty", [np.nan] * 3),
        ]
    )
    encoder = Encoder.fit(table, table.names, np.arange(3), ROBUST, ["k", "id"])
    schema = EncoderSchema.model_validate_json(encoder.schema().model_dump_json())
    again = Encoder.load(schema, encoder.constants())
    x = again.transform(table)
    np.testing.assert_array_equal(x, encoder.transform(table))
    assert x.shape == (3, 1 + 8 + 3 + 6)
    assert not x[:, 12:].any()
    assert again.left_out == ("k", "id")


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
    if len(seen) == 1:  # In all training rows alike, it has taught nothing.
        seen = set()
    expected = [float(code >= 0 and code in seen) for code in codes]
    np.testing.assert_array_equal(encoder.transform(table).sum(axis=1), expected)


def test_smooth_clipping_is_that_of_realmlp() -> None:
    """Quartiles, or half the range where they agree; then z / √(1 + (z/3)²)."""
    spread = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 1e6])
    zeros = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 10.0])
    same = np.full(6, 5.0)
    table = Table.of([numeric("spread", spread), numeric("zeros", zeros), numeric("same", same)])
    settings = Preprocessing(numeric="robust_smooth_clip")
    found = Encoder.fit(table, table.names, np.arange(6), settings).transform(table)
    low, median, high = np.quantile(spread, (0.25, 0.5, 0.75))
    for column, z in ((0, (spread - median) / (high - low)), (1, zeros / 5)):
        expected = z / np.sqrt(1 + (z / 3) ** 2)
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-6)
    assert (found[:, 2] == 0).all()
    assert found.max() < 3.0001
    far = Table.of(
        [numeric(name, np.array([1e300, -1e300])) for name in ("spread", "zeros", "same")]
    )
    encoder = Encoder.fit(table, table.names, np.arange(6), settings)
    np.testing.assert_allclose(encoder.transform(far)[:, :2], [[3, 3], [-3, -3]], rtol=1e-6)
