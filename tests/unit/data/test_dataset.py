from typing import Any

import numpy as np
import pytest

from worker.data import Outline, Table, load_builtin, prepare, sample
from worker.data import dataset as dataset_module
from worker.data.delimited import parse_csv
from worker.data.table import categorical, numeric
from worker.errors import DataError
from worker.spec import Builtin, BuiltinName, JobSpec, Preprocessing, Split


def job(**fields: Any) -> JobSpec:
    return JobSpec(dataset="ds_12345678", **fields)


def mixed(rows: int = 60) -> Table:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, size=rows)
    labels[::10] = -1
    return Table.of(
        [
            numeric("age", rng.normal(40, 10, size=rows)),
            categorical("job", ["a", "b", "c"], rng.integers(-1, 3, size=rows)),
            categorical("y", ["no", "yes"], labels),
        ]
    )


def test_unlabelled_rows_are_left_out() -> None:
    table = mixed()
    prepared = prepare(table, job(target="y", split=Split(test=0.2)))
    assert prepared.x.shape == (1, 54, 4)
    assert prepared.y.shape == (1, 54)
    assert not set(prepared.row_numbers.tolist()) & set(range(0, 60, 10))
    np.testing.assert_array_equal(prepared.y[0], table.values["y"][prepared.row_numbers])
    (split,) = prepared.splits
    every = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(np.sort(every), np.arange(54))


def test_each_fold_is_encoded_by_its_training_rows() -> None:
    prepared = prepare(mixed(), job(target="y", split=Split(folds=4)))
    assert prepared.features == ("age", "job")
    assert prepared.x.shape == (4, 54, 4)
    assert prepared.x.dtype == np.float32
    assert prepared.y.dtype == np.int64
    for split, matrix in zip(prepared.splits, prepared.x, strict=True):
        np.testing.assert_allclose(matrix[split.train, 0].mean(), 0, atol=1e-6)
        np.testing.assert_allclose(matrix[split.train, 0].std(), 1, atol=1e-5)
    np.testing.assert_array_equal(prepared.target_center, np.zeros(4))
    np.testing.assert_array_equal(prepared.target_scale, np.ones(4))


def test_a_regressions_target_is_standardized_by_its_training_rows() -> None:
    table, default = load_builtin(Builtin(builtin=BuiltinName.DIABETES))
    prepared = prepare(table, job(split=Split(folds=3)), default)
    raw = table.values[default]
    assert prepared.y.dtype == np.float32
    for number, split in enumerate(prepared.splits):
        np.testing.assert_allclose(prepared.y[number, split.train].mean(), 0, atol=1e-6)
        np.testing.assert_allclose(prepared.y[number, split.train].std(), 1, atol=1e-5)
        restored = prepared.y[number] * prepared.target_scale[number]
        np.testing.assert_allclose(restored + prepared.target_center[number], raw, rtol=1e-5)


def test_a_regressions_target_as_it_is() -> None:
    table, default = load_builtin(Builtin(builtin=BuiltinName.DIABETES))
    spec = job(preprocessing=Preprocessing(target="none"))
    np.testing.assert_array_equal(prepare(table, spec, default).y[0], table.values[default])


def test_digits_of_a_large_target_survive_centring() -> None:
    values = 1.7e9 + np.arange(100) / 4
    table = Table.of([numeric("x", np.arange(100)), numeric("y", values)])
    prepared = prepare(table, job(target="y"))
    assert len(np.unique(prepared.y)) == 100


@pytest.mark.parametrize("step", [Outline.of, prepare])
@pytest.mark.parametrize("field", ["target", "numeric"])
def test_numbers_that_float32_cannot_tell_apart_must_be_centred(step: Any, field: str) -> None:
    """1e8 + N(0, 1) in float32 is 1e8 in nearly every row: an error of 0, of nothing."""
    rng = np.random.default_rng(0)
    large, small = 1e8 + rng.normal(size=50), rng.normal(size=50)
    x, y = (small, large) if field == "target" else (large, small)
    table = Table.of([numeric("x", x), numeric("y", y)])
    none = Preprocessing.model_validate({field: "none"})
    with pytest.raises(DataError, match="too little of them is left") as caught:
        step(table, job(target="y", preprocessing=none))
    assert caught.value.param == f"preprocessing.{field}"
    step(table, job(target="y"))


@pytest.mark.parametrize("part", ["train", "validation"])
def test_rows_of_a_part_that_all_count_nothing_are_refused(part: str) -> None:
    weights = np.repeat([0.0, 1.0] if part == "train" else [1.0, 0.0], 10)
    table = Table.of(
        [numeric("x", np.arange(20)), numeric("w", weights), numeric("y", np.arange(20) ** 2)]
    )
    rows = {"train": list(range(10)), "validation": list(range(10, 20))}
    weighted = job(target="y", sample_weight="w", split=Split.model_validate({"rows": rows}))
    with pytest.raises(DataError, match=f"is 0 in all {part} rows, which then count") as caught:
        Outline.of(table, weighted)
    assert caught.value.param == "sample_weight"


@pytest.mark.parametrize("split", [Split(), Split(validation=0.3, test=0.1), Split(folds=3)])
def test_check_says_what_prepare_makes(split: Split) -> None:
    spec = job(target="y", split=split)
    outline, prepared = Outline.of(mixed(), spec), prepare(mixed(), spec)
    assert outline.target == prepared.target
    assert (len(outline.train_rows), outline.rows, outline.inputs) == prepared.x.shape
    assert outline.outputs == 1
    assert outline.train_rows == tuple(len(part.train) for part in prepared.splits)
    assert outline.validation_rows == tuple(len(part.validation) for part in prepared.splits)
    assert outline.test_rows == tuple(len(part.test) for part in prepared.splits)


def test_multiclass_outputs() -> None:
    table, default = load_builtin(Builtin(builtin=BuiltinName.IRIS))
    assert Outline.of(table, job(), default).outputs == 3


@pytest.mark.parametrize("step", [Outline.of, prepare])
def test_refusals(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no column with values to learn from"):
        step(parse_csv(b"y\na\nb\n"), job(target="y"))
    with pytest.raises(DataError, match="has one class only"):
        step(parse_csv(b"x,y\n1,a\n2,a\n"), job(target="y"))
    with pytest.raises(DataError, match="There is no column 'z'"):
        step(mixed(), job(target="z"))
    monkeypatch.setattr(dataset_module, "MOST_BYTES", 100)
    with pytest.raises(DataError, match="upload fewer rows") as caught:
        step(mixed(), job(target="y"))
    assert caught.value.code == "too_large"
    names = [f"id{number}" for number in range(200)]
    wide = Table.of([categorical("id", names, range(200)), numeric("y", np.arange(200) % 2)])
    with pytest.raises(DataError, match="'id' alone has 200 categories"):
        step(wide, job(target="y"))


def test_every_input_is_finite() -> None:
    table = parse_csv(b"a,b,c,y\n,NA,x,0\n1e38,2,,1\n-1e38,2,z,0\n1e-38,2,x,1\n,2,x,0\n")
    for method in ("standardize", "robust", "none"):
        prepared = prepare(
            table, job(target="y", preprocessing=Preprocessing.model_validate({"numeric": method}))
        )
        assert np.isfinite(prepared.x).all()


@pytest.mark.parametrize(
    "job",
    [
        {"dataset": {"builtin": "iris"}},
        {"dataset": {"builtin": "circle"}, "split": {"folds": 3}},
        {"dataset": {"builtin": "diabetes"}, "preprocessing": {"target": "none"}},
        {"dataset": {"builtin": "diabetes"}},
    ],
)
def test_a_sample_is_like_the_whole_but_for_its_rows(job: dict[str, Any]) -> None:
    spec = JobSpec.model_validate(job)
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    some = sample(table, spec, Outline.of(table, spec, target), train=30, held_out=10)
    whole = prepare(table, spec, target)
    assert some.x.shape == (len(whole.splits), 40, *whole.shape)
    assert (some.x.dtype, some.y.dtype) == (whole.x.dtype, whole.y.dtype)
    assert (some.features, some.target) == (whole.features, whole.target)
    assert some.target_scale.shape == whole.target_scale.shape
    assert [len(split.train) for split in some.splits] == [30] * len(whole.splits)
    assert [len(split.validation) for split in some.splits] == [10] * len(whole.splits)
    assert np.isfinite(some.x).all()
    if some.target.classes:
        assert len(np.unique(some.y)) == len(some.target.classes)
