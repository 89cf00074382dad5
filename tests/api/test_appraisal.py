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


def test_a_report_has_intervals_and_paired_differences(client: Client) -> None:
    job_id = post(
        client,
        name="circle | two",
        dataset=CIRCLE,
        compare=NONE_AND_DROPOUT,
        training={"epochs": 30, "optimizer": {"kind": "adam", "learning_rate": 0.02}},
        split={"validation": 0.2, "test": 0.25},
        repeats=2,
    )
    assert train(client, job_id)["state"] == "succeeded"
    report = client.get(f"/v1/jobs/{job_id}/report").json()
    found = report["appraisal"]
    best = report["configurations"][0]
    first, second = found["intervals"]
    assert (first["name"], first["networks"]) == (best["name"], 2)
    for name in ("loss", "accuracy", "balanced_accuracy", "auc"):
        metric = first["metrics"][name]
        assert metric["value"] == pytest.approx(best["metrics"][f"test_{name}"]["mean"])
        assert metric["low"] <= metric["value"] <= metric["high"]
    assert first["corrected"] == {}  # test rows choose nothing
    pair = next(d for d in found["differences"] if d["role"] != "constant")
    assert (pair["name"], pair["other_name"]) == (first["name"], second["name"])
    assert pair["difference"] == pytest.approx(
        first["metrics"]["loss"]["value"] - second["metrics"]["loss"]["value"]
    )
    assert (pair["pairs"], pair["seeds"]) == (2, "repeats")
    assert {column["column"] for column in found["importance"]["columns"]} == {"x1", "x2"}


def test_with_one_training_each_the_epochs_tell_of_the_seeds(client: Client) -> None:
    job_id = post(client, dataset=CIRCLE, compare=NONE_AND_DROPOUT, training={"epochs": 8})
    train(client, job_id)
    found = client.get(f"/v1/jobs/{job_id}/report").json()["appraisal"]
    assert {difference["seeds"] for difference in found["differences"]} == {"epochs"}
    assert found["intervals"][0]["corrected"].keys() == found["intervals"][0]["metrics"].keys()


def test_what_leaves_a_technique_out_is_compared_with_the_winner(client: Client) -> None:
    job_id = post(
        client,
        dataset=CIRCLE,
        regularization={"dropout": {"p": 0.2}, "l2": {"strength": 1e-3}},
        attribute=True,
        training=QUICK,
    )
    train(client, job_id)
    report = client.get(f"/v1/jobs/{job_id}/report").json()
    without = [d for d in report["appraisal"]["differences"] if d["role"] == "without"]
    assert {d["technique"] for d in without} == {"dropout", "l2"}
    assert "dropout" in report["verdict"]
    assert "l2" in report["verdict"]


def test_the_report_as_markdown(client: Client) -> None:
    job_id = post(
        client, name="a | b", dataset=CIRCLE, compare=NONE_AND_DROPOUT, training={"epochs": 5}
    )
    before = client.get(f"/v1/jobs/{job_id}/report.md")
    assert before.status_code == 200
    assert "**No verdict: the job has not ended, or could not be appraised.**" in before.text
    train(client, job_id)
    answer = client.get(f"/v1/jobs/{job_id}/report.md")
    assert answer.headers["content-type"].split(";")[0] == "text/markdown"
    lines = answer.text.splitlines()
    verdict = client.get(f"/v1/jobs/{job_id}/report").json()["verdict"]
    assert lines[:3] == ["# a \\| b", "", f"**{verdict}**"]
    tables = [line for line in lines if line.startswith("|")]
    assert any(line.startswith("| dropout |") for line in tables)
    assert any("balanced accuracy" in line for line in tables)
    for line in tables:
        assert line.endswith(" |")
    assert client.get("/v1/jobs/job_000000000000000000000000/report.md").status_code == 404


def test_the_markdown_of_a_path_names_features_in_the_order_they_enter(client: Client) -> None:
    job_id = post(
        client,
        dataset={"builtin": "diabetes"},
        network={"kind": "linear"},
        training=QUICK,
        search={"method": "path", "over": "regularization.l1.strength", "points": 3},
    )
    train(client, job_id)
    weights = client.get(f"/v1/jobs/{job_id}/report").json()["path"]["weights"]
    entering = [weight["feature"] for weight in weights if weight["enters"] is not None]
    text = client.get(f"/v1/jobs/{job_id}/report.md").text
    assert f"\n{', '.join(entering)}\n" in text
