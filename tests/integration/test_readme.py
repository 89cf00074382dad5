"""The curl walks of the README and of docs/data.md: each one's blocks, in order, in one shell,
against the whole service.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.pages import walked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, ("bash", "curl", "awk", "python3"))),
        reason="the walks are written for bash, curl, awk and python3",
    ),
]


def test_the_walk_from_upload_to_prediction(installed: str, tmp_path: Path) -> None:
    table, dataset, job, prediction, certificate, scored, search, report, auto = walked(
        "README.md", installed, tmp_path, languages=("bash",)
    )
    assert not table.strip()
    assert dataset.strip().startswith("ds_")
    trained = json.loads(job)
    assert trained["state"] == "succeeded"
    assert trained["trials"] == {"total": 9, "finished": 9, "failed": 0}
    answer = json.loads(prediction)
    assert [one["label"] for one in answer["predictions"]] == ["yes", "no"]
    assert answer["model"] == "loans"
    assert json.loads(certificate)["passed"] is True
    assert not scored.strip()
    rows, answers = ((tmp_path / n).read_text().splitlines() for n in ("loans.csv", "answers.csv"))
    assert answers[0] == f"{rows[0]},prediction,probability_no,probability_yes"
    assert all(answer.startswith(row) for answer, row in zip(answers, rows, strict=True))
    assert not search.strip()
    assert "regularization.dropout.p" in report
    assert json.loads(auto)["model"] == {"name": "cancer", "version": 1}


def test_the_walk_from_a_messy_file_to_its_warnings(installed: str, tmp_path: Path) -> None:
    table, found, preview, validated, job, prediction, refused, dropped, windows, heads = walked(
        "docs/data.md", installed, tmp_path
    )
    assert not table.strip()
    assert windows.strip() == "{'used': 200, 'left_out': {}}"
    _the_rows_are_told(heads, tmp_path)
    _the_file_is_read_as_the_page_says(found, preview)
    understood = json.loads(validated)
    assert understood["left_out"] == {"shop": "constant", "order": "ignored"}
    assert (understood["task"], understood["positive"]) == ("binary", "yes")
    assert understood["rows"] == {"used": 200, "left_out": {}}
    trained = json.loads(job)
    assert trained["state"] == "succeeded"
    assert trained["understood"] == understood
    answer = json.loads(prediction)
    assert (answer["model"], answer["version"]) == ("churn", 1)
    warnings = {(one["code"], one["column"]): one for one in answer["warnings"]}
    assert set(warnings) == {
        ("missing_filled", "signup"),
        ("far_outside", "weight"),
        ("unknown_category", "status"),
    }
    assert {(one["count"], one["first"]) for one in warnings.values()} == {(1, 1)}
    assert "(nearest: 'new')" in warnings["unknown_category", "status"]["message"]
    problem = json.loads(refused)
    assert (problem["status"], problem["code"]) == (422, "stray_text_in_target")
    assert (problem["line"], problem["cell"]) == (31, "on request")
    regression = json.loads(dropped)["understood"]
    assert regression["task"] == "regression"
    assert regression["rows"] == {"used": 59, "left_out": {"text in the target": 1}}


def _the_rows_are_told(heads: str, folder: Path) -> None:
    """The first lines of two files, and how many there are."""
    assert "row,part,fold,repeat\n" in heads
    assert "row,fold,truth,prediction,probability_no,probability_yes\n" in heads
    assert len((folder / "splits.csv").read_text().splitlines()) == 201
    assert len((folder / "rows.csv").read_text().splitlines()) == 41


def _the_file_is_read_as_the_page_says(found: str, preview: str) -> None:
    """What the upload of orders.csv printed, and its first rows."""
    findings: dict[tuple[str, str], Any] = {}
    for line in found.strip().splitlines():
        code, column, change, _ = line.split(" | ", 3)
        findings[code, column] = json.loads(change)
    assert findings == {
        ("leading_zeros", "zip"): {"columns": {"zip": "numeric"}},
        ("dates", "signup"): {"columns": {"signup": "date"}},
        ("identifier", "order"): {"columns": {"order": "ignore"}},
        ("number_format", "weight"): {"columns": {"weight": "categorical"}},
        ("number_format", "price"): {"columns": {"price": "categorical"}},
        ("missing_markers", "weight"): None,
        ("constant", "shop"): {"columns": {"shop": "ignore"}},
    }
    shown = json.loads(preview)
    kinds = {column["name"]: column["kind"] for column in shown["columns"]}
    assert {name for name, kind in kinds.items() if kind == "numeric"} == {
        "order",
        "weight",
        "price",
    }
    assert [row[:3] for row in shown["rows"]] == [
        [5001, "04109", "2021-02-02"],
        [5002, "09997", "2022-03-03"],
    ]
