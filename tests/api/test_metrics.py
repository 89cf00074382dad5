"""Metrics, thresholds and curves over HTTP: trained here by the trainer's own code."""

import csv
import io
from typing import Any

import pytest

from tests.api.client import Client
from tests.api.work import QUICK, post, train

CIRCLE = {"dataset": {"builtin": "circle", "rows": 200}, "training": QUICK}
TESTED = {"validation": 0.2, "test": 0.2}


def upload(client: Client, rows: list[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    answer = client.post("/v1/datasets", files={"file": ("d.csv", text.getvalue().encode())})
    assert answer.status_code == 201, answer.text
    identifier: str = answer.json()["id"]
    return identifier


@pytest.fixture(scope="module")
def job(client: Client) -> dict[str, Any]:
    return train(client, post(client, **CIRCLE, split=TESTED, threshold="f1", model="cut"))


def test_the_curves_of_a_trial(client: Client, job: dict[str, Any]) -> None:
    path = f"/v1/jobs/{job['id']}/curves"
    found = client.get(path).json()
    assert client.get(f"{path}?trial={job['best']['trial']}").json() == found
    assert (found["object"], found["job"]) == ("curves", job["id"])
    assert found["threshold"] == job["best"]["metrics"]["threshold"]
    assert (found["classes"], found["positive"]) == (["0", "1"], "1")
    assert found["parts"].keys() == {"validation", "test"}
    part = found["parts"]["test"]
    assert sum(map(sum, part["confusion"])) == part["rows"] == 40
    assert part["roc"]["fpr"][0] == 0
    assert part["roc"]["threshold"][0] is None


def test_where_there_are_no_curves(client: Client) -> None:
    """A regression has none, nor has a trial that is none of the job's."""
    job = train(client, post(client, dataset={"builtin": "diabetes"}))
    answer = client.get(f"/v1/jobs/{job['id']}/curves").json()
    assert (answer["parts"], answer["classes"]) == ({}, [])
    assert "regression" in answer["note"]
    answer = client.get(f"/v1/jobs/{job['id']}/curves?trial=trl_unknown")
    assert (answer.status_code, answer.json()["param"]) == (404, "trial")


def test_the_threshold_decides_the_label_that_is_served(
    client: Client, job: dict[str, Any]
) -> None:
    threshold = job["best"]["metrics"]["threshold"]
    rows = [[x / 5, y / 5] for x in range(-10, 11, 4) for y in range(-10, 11, 4)]
    answer = client.post("/v1/models/cut/predict", json={"instances": rows}).json()
    for prediction in answer["predictions"]:
        above = prediction["probabilities"]["1"] >= threshold
        assert prediction["label"] == ("1" if above else "0")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"dataset": {"builtin": "iris"}, "threshold": "f1"}, "threshold"),
        ({**CIRCLE, "threshold": "balanced", "split": {"validation": 0}}, "threshold"),
        ({**CIRCLE, "threshold": 1.0}, "threshold"),
        ({**CIRCLE, "search": {"method": "halving", "objective": "validation_auc"}}, None),
    ],
)
def test_what_cannot_be_is_refused(client: Client, fields: dict[str, Any], param: Any) -> None:
    space = {"regularization.dropout.p": {"low": 0.1, "high": 0.5}}
    if "search" in fields:
        fields = {**fields, "search": {**fields["search"], "space": space}}
    for path in ("/v1/jobs", "/v1/jobs/validate"):
        answer = client.post(path, json=fields)
        found = answer.json()["param"]
        assert answer.status_code == 422
        assert found.startswith(param or "search.objective")


def test_a_refit_answers_from_the_mean_threshold_of_its_configuration(client: Client) -> None:
    search = {
        "method": "grid",
        "space": {"regularization.dropout.p": {"values": [0.1]}},
        "refit": True,
        "refit_repeats": 2,
    }
    job = train(client, post(client, **CIRCLE, threshold="f1", repeats=2, search=search))
    assert job["state"] == "succeeded"
    trials = client.get(f"/v1/jobs/{job['id']}/trials").json()["data"]
    chosen = [t["metrics"]["threshold"] for t in trials if t["settings"].get("refit") is None]
    refits = [t["metrics"]["threshold"] for t in trials if t["settings"].get("refit") is not None]
    assert len(chosen) == len(refits) == 2
    assert refits == [pytest.approx(sum(chosen) / 2)] * 2


@pytest.mark.parametrize(
    ("mean", "target"),
    [(2_000.0, "none"), (10_000.0, "none"), (10_000.0, "standardize"), (-1e6, "none")],
)
def test_r2_does_not_depend_on_the_mean_of_the_target(
    client: Client, mean: float, target: str
) -> None:
    """B31: −3.8e37 at a mean of 10,000."""
    values = [((7 * n) % 40) / 10 for n in range(40)]
    rows = [("x", "y"), *((value, mean + 2 * value) for value in values)]
    job = train(
        client,
        post(
            client,
            dataset=upload(client, rows),
            target="y",
            task="regression",
            network={"kind": "linear"},
            preprocessing={"target": target},
            training={"epochs": 40, "optimizer": {"kind": "solver"}},
        ),
    )
    assert job["best"]["metrics"]["validation_r2"] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("repeated", [1, 2])
def test_r2_of_one_row_or_equal_targets_is_null(client: Client, repeated: int) -> None:
    """B19: −6.5e38 of one row."""
    rows = [("x", "y", "part")] + [(n, n / 3, "train") for n in range(6)]
    rows += [(9.0 + n, 2.5, "validation") for n in range(repeated)]
    split = {"rows": {"train": list(range(6)), "validation": list(range(6, 6 + repeated))}}
    job = train(
        client,
        post(
            client,
            dataset=upload(client, [row[:2] for row in rows]),
            target="y",
            task="regression",
            split=split,
        ),
    )
    metrics = job["best"]["metrics"]
    assert metrics["validation_r2"] is None
    assert metrics["validation_rmse"] is not None
    assert metrics["train_r2"] is not None
    curve = client.get(f"/v1/jobs/{job['id']}/metrics").json()["metrics"]["validation_r2"]
    assert curve == [None] * QUICK["epochs"]
