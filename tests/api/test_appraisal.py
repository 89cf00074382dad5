"""A job that has ended is appraised: its report opens with a verdict."""

from typing import Any

import pytest

from tests.api.client import Client
from tests.api.work import QUICK, post, train

NONE_AND_DROPOUT = [
    {"name": "none", "regularization": {}},
    {"name": "dropout", "regularization": {"dropout": {"p": 0.5}}},
]
CIRCLE = {"builtin": "circle", "rows": 200}


@pytest.mark.parametrize(
    ("spec", "part", "rows"),
    [
        ({"split": {"validation": 0.2}}, "validation", 40),
        ({"split": {"validation": 0.2, "test": 0.25}}, "test", 50),
        ({"split": {"folds": 4}, "refit": False}, "out_of_fold", 200),
        ({"split": {"folds": 4}}, "out_of_fold", 200),
    ],
)
def test_a_report_opens_with_its_verdict(
    client: Client, spec: dict[str, Any], part: str, rows: int
) -> None:
    job_id = post(client, dataset=CIRCLE, compare=NONE_AND_DROPOUT, training=QUICK, **spec)
    assert client.get(f"/v1/jobs/{job_id}/report").json()["verdict"] is None
    assert train(client, job_id)["state"] == "succeeded"
    report = client.get(f"/v1/jobs/{job_id}/report").json()
    assert list(report)[:2] == ["object", "verdict"]
    assert report["verdict"] == report["appraisal"]["verdict"] != ""
    assert (report["appraisal"]["part"], report["appraisal"]["rows"]) == (part, rows)


def test_without_rows_held_back_there_is_none(client: Client) -> None:
    job_id = post(client, dataset=CIRCLE, training=QUICK, split={"validation": 0})
    assert train(client, job_id)["state"] == "succeeded"
    report = client.get(f"/v1/jobs/{job_id}/report").json()
    assert (report["verdict"], report["appraisal"]) == (None, None)
