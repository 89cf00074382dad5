"""Leave-one-out over HTTP."""

from typing import Any

import pytest

from tests.api.client import Client
from tests.api.work import QUICK, post, train

TAKEN_APART: dict[str, Any] = {
    "name": "base",
    "dataset": {"builtin": "iris"},
    "training": {**QUICK, "optimizer": {"kind": "adam", "learning_rate": 0.01}},
    # So strong a penalty makes the complete configuration the worst: it must win all the same.
    "regularization": {"l2": {"strength": 10.0}, "dropout": {"p": 0.5}},
    "repeats": 2,
    "attribute": True,
    "model": "taken-apart",
}


@pytest.fixture(scope="module")
def job(client: Client) -> dict[str, Any]:
    return train(client, post(client, **TAKEN_APART))


def test_only_the_complete_configuration_wins(client: Client, job: dict[str, Any]) -> None:
    assert job["trials"]["total"] == 3 * 2
    assert job["best"]["name"] == "base"
    version = client.get("/v1/models/taken-apart/versions/1").json()
    assert version["manifest"]["settings"]["without"] is None
    trials = client.get(f"/v1/jobs/{job['id']}/trials").json()["data"]
    assert [trial["name"] for trial in trials[:2]] == ["base", "base"]
    assert trials[2]["metrics"]["validation_loss"] < trials[0]["metrics"]["validation_loss"]
    assert trials[2]["settings"]["without"]["configuration"] == 0


def test_the_report_says_what_each_technique_bought(client: Client, job: dict[str, Any]) -> None:
    report = client.get(f"/v1/jobs/{job['id']}/report").json()
    means = {
        entry["configuration"]: entry["metrics"]["validation_loss"]["mean"]
        for entry in report["configurations"]
    }
    assert report["configurations"][0]["without"] is None
    assert {entry["without"] for entry in report["configurations"]} == {None, "l2", "dropout"}
    assert [each["technique"] for each in report["attribution"]] == ["l2", "dropout"]
    for each in report["attribution"]:
        objective = each["effects"][0]
        assert objective["metric"] == "validation_loss"
        assert objective["pairs"] == 2
        low, high = objective["interval"]
        assert low < objective["difference"] < high
        expected = means[0] - means[each["without"]]
        assert objective["difference"] == pytest.approx(expected)
        assert each["effects"][1]["metric"].endswith("_balanced_accuracy")


def test_a_job_without_it_has_no_attribution(client: Client) -> None:
    job_id = post(client, regularization={"dropout": {"p": 0.5}})
    assert client.get(f"/v1/jobs/{job_id}/report").json()["attribution"] == []


def test_nothing_to_leave_out_is_refused(client: Client) -> None:
    body = {"dataset": {"builtin": "iris"}, "attribute": True}
    answer = client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["param"]) == (422, "attribute")
