"""Divisions that are refused: what excludes each other, and what the data do not allow."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.unit.data.test_division import ROWS, job, patients, table
from worker.data import Outline, prepare
from worker.data.table import categorical, numeric
from worker.errors import DataError
from worker.spec import Split


@pytest.mark.parametrize(
    ("split", "fragment"),
    [
        ({"rows": "given", "groups": "g"}, "groups and rows exclude each other: leave one"),
        ({"rows": "given", "order": "g"}, "order and rows exclude each other"),
        ({"rows": {"train": [1]}, "folds": [[1], [2]]}, "folds and rows exclude each other"),
        ({"groups": "g", "order": "d"}, "groups and order exclude each other"),
        ({"folds": {"column": "f"}, "groups": "g"}, "groups and folds that are named exclude"),
        ({"folds": [[1], [2]], "order": "d"}, "order and folds that are named exclude"),
        ({"folds": {"column": "f"}, "test": 0.2}, '"test": "test"'),
        ({"repeats": 2}, "set folds to 5, say"),
        ({"repeats": 2, "folds": [[1], [2]]}, "needs their number"),
        ({"repeats": 2, "folds": 3, "order": "d"}, "repeats and order exclude each other"),
        ({"folds": [[1, 2], [3, 1]]}, "fold 1 shares row 1 with fold 0"),
        ({"folds": [[1, 2], [3, 3]]}, "fold 1 names row 3 2 times"),
        ({"folds": [[1, 2]]}, "at least 2"),
        ({"folds": [[1, 2], []]}, "at least 1"),
        ({"folds": {"col": "f"}}, "column"),
        ({"folds": 1}, "greater than or equal to 2"),
    ],
)
def test_refusals_by_the_spec(split: dict[str, Any], fragment: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Split.model_validate(split)
    assert fragment in str(caught.value)


def gaps(kind: str) -> Any:
    values = np.arange(float(ROWS))
    values[[11, 30]] = np.nan
    return (
        numeric("v", values) if kind == "numeric" else categorical("v", ["a", "b"], [0, 1, -1] * 20)
    )


@pytest.mark.parametrize("step", [Outline.of, prepare])
@pytest.mark.parametrize(
    ("split", "column", "param", "fragment"),
    [
        ({"groups": "v"}, gaps("numeric"), "split.groups", "in 2 of the rows.*row 11"),
        ({"folds": {"column": "v"}}, gaps("text"), "split.folds.column", "row 2"),
        ({"order": "v"}, gaps("numeric"), "split.order", "in 2 of the rows"),
        ({"order": "patient"}, patients(), "split.order", r'"patient": "date"'),
        ({"groups": "nobody"}, patients(), "split.groups", "no column 'nobody'"),
        ({"groups": "y"}, patients(), "split.groups", "is the target"),
        ({"folds": {"column": "x"}}, patients(), "split.folds.column", "makes 59 folds"),
        ({"folds": {"column": "patient", "test": "q"}}, patients(), "split.folds.test", "'p00'"),
        ({"folds": {"column": "patient", "count": 3}}, patients(), "split.folds.count", "not 3"),
        ({"folds": 13, "groups": "patient"}, patients(), "split.folds", "12 groups"),
        ({"groups": "patient", "test": 0.2}, patients(2), "split.groups", "2 groups"),
        (
            {"folds": 5, "order": "patient"},
            numeric("patient", [1.0, 2.0] * 30),
            "split.folds",
            "2 di",
        ),
        ({"folds": [[1, 2], [60]]}, patients(), "split.folds.1", "no row 60"),
        ({"folds": [[1, 2], [7]]}, patients(), "split.folds.1", "None of the 1 rows"),
    ],
)
def test_refusals_by_the_data(
    step: Any, split: dict[str, Any], column: Any, param: str, fragment: str
) -> None:
    with pytest.raises(DataError, match=fragment) as caught:
        step(table(column=column), job(**split))
    assert caught.value.param == param
