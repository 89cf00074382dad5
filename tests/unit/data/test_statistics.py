"""Statistics answer as the cells do, or not at all."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from worker.data import Outline, Table, target_findings
from worker.data.report import report
from worker.data.statistics import CellsNeededError, TableStatistics
from worker.data.table import categorical, dates, numeric
from worker.errors import DataError
from worker.spec import JobSpec

ROWS = 240
LABELS = ("no", "yes", "perhaps")


def table(seed: int, *, missing: float = 0.0) -> Table:
    """Columns of all kinds, with and without missing cells."""
    chance = np.random.default_rng(seed)
    codes = chance.integers(0, 3, ROWS)
    codes[:12] = np.arange(12) % 3
    codes[chance.random(ROWS) < missing] = -1
    numbers = chance.normal(size=ROWS)
    numbers[chance.random(ROWS) < missing] = np.nan
    counts = chance.integers(0, 4, ROWS).astype(float)
    counts[chance.random(ROWS) < missing / 2] = np.nan
    constant = np.where(chance.random(ROWS) < missing, np.nan, 7.0)
    rare = np.zeros(ROWS)
    rare[:60] = 1
    return Table.of(
        [
            categorical("class", LABELS, codes),
            numeric("number", numbers),
            numeric("count", counts),
            numeric("wide", chance.integers(0, 10**6, ROWS)),
            numeric("twin", np.where(counts == 0, 5.0, -counts)),
            numeric("same", counts),
            numeric("constant", constant),
            numeric("rare", rare),
            numeric("empty", np.full(ROWS, np.nan)),
            categorical("text", [f"t{n}" for n in range(ROWS)], np.arange(ROWS)),
            dates("day", np.arange(ROWS) + 0.5 * (seed % 2)),
        ]
    )


JOBS: list[dict[str, Any]] = [
    {"target": "class"},
    {"target": "class", "split": {"validation": 0.3, "test": 0.1, "seed": 4}},
    {"target": "class", "split": {"folds": 4, "test": 0.2, "repeats": 2}},
    {"target": "class", "split": {"validation": 0.25, "stratify": False}},
    {"target": "number"},
    {"target": "number", "split": {"folds": 5}},
    {"target": "count"},
    {"target": "count", "task": "regression"},
    {"target": "wide"},
    {"target": "wide", "task": "regression", "preprocessing": {"numeric": "robust"}},
    {"target": "rare"},
    {"target": "count", "task": "regression", "training": {"loss": {"kind": "poisson"}}},
]


@pytest.mark.parametrize("missing", [0.0, 0.04])
@pytest.mark.parametrize("job", JOBS)
def test_what_is_told_is_what_the_cells_tell(job: dict[str, Any], missing: float) -> None:
    spec = JobSpec.model_validate({"dataset": "ds_12345678", **job})
    told = 0
    for seed in range(4):
        data = table(seed, missing=missing)
        counted = TableStatistics.model_validate_json(TableStatistics.of(data).model_dump_json())
        try:
            stand_in, outline = counted.outline(spec, None)
        except CellsNeededError:
            continue
        told += 1
        assert outline == Outline.of(data, spec)
        found = target_findings(stand_in, outline.target.column)
        assert found == target_findings(data, outline.target.column)
    assert told == 4


def test_many_values_are_counted_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.data.statistics.MOST_VALUES", 30)
    data = table(1)
    counted = TableStatistics.of(data)
    assert [one.column.name for one in counted.columns if one.counts is None] == [
        *("number", "wide", "empty", "text", "day")
    ]
    for target in ("number", "wide", "class"):
        spec = JobSpec.model_validate({"dataset": "ds_12345678", "target": target})
        assert counted.outline(spec, None)[1] == Outline.of(data, spec)


@pytest.mark.parametrize(
    "job",
    [
        {"target": "class", "split": {"groups": "text", "validation": 0.2}},
        {"target": "class", "split": {"order": "day", "validation": 0.2}},
        {"target": "class", "split": {"folds": {"column": "count"}}},
        {"target": "class", "split": {"folds": [[0, 1, 2, 3], [4, 5, 6, 7]]}},
        {"target": "class", "split": {"rows": {"train": [0, 1, 2, 3, 4, 5]}}},
        {"target": "class", "sample_weight": "wide"},
        {"target": "number", "offset": "wide"},
        {"target": "text"},
        {"target": "none"},
        {},
    ],
)
def test_what_depends_on_rows_and_what_is_refused_needs_the_cells(job: dict[str, Any]) -> None:
    spec = JobSpec.model_validate({"dataset": "ds_12345678", **job})
    with pytest.raises(CellsNeededError):
        TableStatistics.of(table(0)).outline(spec, None)


def test_a_column_that_may_say_nothing_beside_a_missing_target_needs_the_cells() -> None:
    spec = JobSpec.model_validate({"dataset": "ds_12345678", "target": "y"})
    for labelled, varies in ((slice(None), True), (slice(2, None), False)):
        y = np.full(40, np.nan)
        y[labelled] = np.arange(40)[labelled] * 0.5
        x = np.zeros(40)
        x[:2] = 1
        data = Table.of([numeric("x", x), numeric("z", np.arange(40)), numeric("y", y)])
        counted = TableStatistics.of(data)
        if varies:
            assert counted.outline(spec, None)[1].columns == ("x", "z")
        else:
            assert Outline.of(data, spec).columns == ("z",)
            with pytest.raises(CellsNeededError):
                counted.outline(spec, None)


def test_a_copy_is_found_where_the_rows_are_sorted_by_it() -> None:
    y = np.repeat([0, 1], 3_000)
    data = Table.of([numeric("copy", 5 - 3 * y), categorical("y", ["a", "b"], y)])
    (found,) = target_findings(data, "y")
    assert found.column == "copy"
    assert target_findings(TableStatistics.of(data).table("y"), "y") == [found]


def test_they_are_bounded() -> None:
    rows = 300
    words = [f"{n:04d}" * 100 for n in range(rows)]
    wide = [numeric(f"x{n}", np.arange(rows) * 0.5) for n in range(1_000)]
    data = Table.of([categorical("text", words, np.arange(rows)), *wide])
    counted = TableStatistics.of(data)
    assert len(counted.model_dump_json()) < 1_000_000
    assert counted.table(None).columns[0].categories == ("",) * rows


def test_a_report_takes_what_was_counted() -> None:
    data = table(3, missing=0.1)
    counted = replace(data, counts=TableStatistics.of(data).table(None).counts)
    assert report(counted) == report(data)


def test_refused_as_before() -> None:
    data = table(0)
    spec = JobSpec.model_validate({"dataset": "ds_12345678", "target": "constant"})
    with pytest.raises(DataError):
        Outline.of(data, spec)
    with pytest.raises(CellsNeededError):
        TableStatistics.of(data).outline(spec, None)
