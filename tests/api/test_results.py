"""What comes of a job, over HTTP: trained here by the trainer's own code."""

import math
import statistics
from typing import Any

import pytest

from tests.api.client import Client
from tests.api.work import QUICK, post, train

COMPARED = {
    "dataset": {"builtin": "circle", "rows": 200},
    "training": QUICK,
    "compare": [
        {"name": "none", "regularization": {}},
        {"name": "L1", "regularization": {"l1": {"strength": 0.01}}},
        {"name": "$dropout_", "regularization": {"dropout": {"p": 0.5}}},
    ],
    "repeats": 2,
}


@pytest.fixture(scope="module")
def job(client: Client) -> dict[str, Any]:
    return train(client, post(client, **COMPARED))


def test_a_trained_job_says_what_came_of_it(job: dict[str, Any]) -> None:
    assert job["state"] == "succeeded"
    assert job["progress"] == {"fraction": 1.0, "epoch": 3, "epochs": 3, "eta_seconds": None}
    assert job["trials"] == {"total": 6, "finished": 6, "failed": 0}
    assert job["best"]["metrics"]["validation_loss"] > 0
    assert job["finished_at"] >= job["started_at"] >= job["created_at"]


def test_the_leaderboard_is_best_first_and_paged(client: Client, job: dict[str, Any]) -> None:
    path = f"/v1/jobs/{job['id']}/trials"
    first = client.get(path, params={"limit": 4}).json()
    rest = client.get(path, params={"limit": 4, "after": first["data"][-1]["id"]}).json()
    assert (first["has_more"], rest["has_more"]) == (True, False)
    rows = first["data"] + rest["data"]
    assert len({row["id"] for row in rows}) == 6
    losses = [row["metrics"]["validation_loss"] for row in rows]
    assert losses == sorted(losses)
    assert {row["repeat"] for row in rows} == {0, 1}
    assert rows[0]["settings"]["training"]["epochs"] == 3


def test_metrics_are_one_array_each(client: Client, job: dict[str, Any]) -> None:
    path = f"/v1/jobs/{job['id']}/metrics"
    best = client.get(path).json()
    assert best["epochs"] == [1, 2, 3]
    assert {"objective", "train_loss", "validation_loss"} <= best["metrics"].keys()
    assert all(len(values) == 3 for values in best["metrics"].values())
    trials = client.get(f"/v1/jobs/{job['id']}/trials").json()["data"]
    assert best["trial"] == client.get(f"/v1/jobs/{job['id']}").json()["best"]["single"]["trial"]
    last = client.get(path, params={"trial": trials[-1]["id"]}).json()
    assert (last["trial"], last["name"]) == (trials[-1]["id"], trials[-1]["name"])


def test_a_trial_of_another_job_is_not_found(client: Client, job: dict[str, Any]) -> None:
    other = post(client)
    theirs = client.get(f"/v1/jobs/{other}/trials").json()["data"][0]["id"]
    answer = client.get(f"/v1/jobs/{job['id']}/metrics", params={"trial": theirs})
    assert (answer.status_code, answer.json()["param"]) == (404, "trial")


def test_events_are_read_on_from_a_cursor(client: Client, job: dict[str, Any]) -> None:
    path = f"/v1/jobs/{job['id']}/events"
    events = client.get(path).json()["data"]
    assert events[0]["type"] == "accepted"
    assert events[-1]["type"] == "succeeded"
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    page = client.get(path, params={"limit": 1}).json()
    assert (page["data"], page["has_more"]) == (events[:1], True)
    rest = client.get(path, params={"after": events[0]["id"]}).json()
    assert (rest["data"], rest["has_more"]) == (events[1:], False)


def test_checkpoints_are_listed(client: Client, job: dict[str, Any]) -> None:
    page = client.get(f"/v1/jobs/{job['id']}/checkpoints").json()
    assert (page["object"], page["has_more"]) == ("list", False)


def test_the_report_is_the_mean_over_repeats(client: Client, job: dict[str, Any]) -> None:
    report = client.get(f"/v1/jobs/{job['id']}/report").json()
    trials = client.get(f"/v1/jobs/{job['id']}/trials").json()["data"]
    entries = report["configurations"]
    assert {entry["name"] for entry in entries} == {"none", "L1", "$dropout_"}
    for entry in entries:
        values = [
            trial["metrics"]["validation_loss"]
            for trial in trials
            if trial["configuration"] == entry["configuration"]
        ]
        spread = entry["metrics"]["validation_loss"]
        assert spread["n"] == entry["trials"] == entry["succeeded"] == 2
        assert math.isclose(spread["mean"], statistics.fmean(values))
        assert math.isclose(spread["sd"], statistics.stdev(values))
    means = [entry["metrics"]["validation_loss"]["mean"] for entry in entries]
    assert means == sorted(means)
    assert entries[0]["name"] == job["best"]["name"]


def test_a_job_that_has_not_begun_has_empty_results(client: Client) -> None:
    path = f"/v1/jobs/{post(client)}"
    assert client.get(f"{path}/metrics").json()["epochs"] == []
    (entry,) = client.get(f"{path}/report").json()["configurations"]
    assert (entry["succeeded"], entry["metrics"]) == (0, {})


def test_a_loss_that_diverges_fails_the_job_with_the_epoch(client: Client) -> None:
    job = train(
        client,
        post(
            client,
            dataset={"builtin": "diabetes"},
            training={"epochs": 30, "optimizer": {"kind": "sgd", "learning_rate": 100.0}},
            model="diverged",
        ),
    )
    assert job["state"] == "failed"
    assert job["error"]["code"] == "diverged"
    assert job["error"]["epoch"] >= 1
    assert "last_finite_loss" in job["error"]
    assert job["model"]["version"] is None
    assert client.get("/v1/models/diverged").status_code == 404


def test_a_constant_predictor_succeeds_with_advice(client: Client) -> None:
    job = train(
        client,
        post(
            client,
            dataset={"builtin": "circle", "rows": 300},
            regularization={"l1": {"strength": 1.0}},
            training={"epochs": 10, "optimizer": {"kind": "adam", "learning_rate": 0.01}},
        ),
    )
    assert job["state"] == "succeeded"
    said = {advice["code"]: advice["message"] for advice in job["advice"]}
    assert "penalty_outweighs_loss" in said
    assert "one class only" in said["constant_predictor"]


def test_a_constant_predictor_names_its_member_of_a_comparison(client: Client) -> None:
    heavy = {"l1": {"strength": 1.0}}
    adam = {"kind": "adam", "learning_rate": 0.01}
    job = train(
        client,
        post(
            client,
            dataset={"builtin": "circle", "rows": 100},
            compare=[{"name": "none"}, {"name": "L1", "regularization": heavy}],
            training={"epochs": 10, "optimizer": adam},
        ),
    )
    said = [advice for advice in job["advice"] if advice["code"] == "constant_predictor"]
    about = next(advice for advice in said if advice["message"].startswith("L1 "))
    assert about["field"] == "compare.1.regularization.l1.strength"
    assert (about["fix"], about["change"]) == ("Set it to 0.1.", None)
    assert about["member_change"] == {"regularization": {"l1": {"strength": 0.1}}}


SOLVED = {"network": {"kind": "linear"}, "training": {"optimizer": {"kind": "solver"}}}


def test_the_report_says_the_job_in_the_words_of_other_libraries(client: Client) -> None:
    """B21: with class weights, which a solver minimizes with."""
    rows = "".join(f"{n * 37 % 100 / 100},{int(n * 37 % 100 > 80)}\n" for n in range(200))
    made = client.upload("x,y\n" + rows, target="y").json()["id"]
    members: list[dict[str, Any]] = [
        {"name": "balanced", "regularization": {"l2": 0.01, "class_weights": {}}},
        {"name": "given", "regularization": {"l2": 0.01, "class_weights": {"weights": {"1": 3}}}},
        {"name": "dropped", "regularization": {"dropout": {"input_p": 0.1}}, "training": QUICK},
    ]
    job = train(client, post(client, dataset=made, compare=members, **SOLVED))
    assert job["state"] == "succeeded", job["error"]
    report = client.get(f"/v1/jobs/{job['id']}/report").json()
    said = {entry["name"]: entry["equivalents"] for entry in report["configurations"]}
    assert said["dropped"] == []
    sklearn, glmnet = said["balanced"]
    assert (sklearn["library"], sklearn["estimator"]) == ("scikit-learn", "LogisticRegression")
    assert sklearn["parameters"]["class_weight"] == "balanced"
    assert sklearn["parameters"]["C"] == pytest.approx(1 / (2 * 160 * 0.01))
    assert sklearn["exact"]
    assert glmnet["parameters"]["lambda"] == pytest.approx(0.02)
    (given,) = (e for e in said["given"] if e["library"] == "scikit-learn")
    assert given["parameters"]["class_weight"] == {"1": 3}
    assert given["parameters"]["C"] < sklearn["parameters"]["C"]


def test_there_are_no_equivalents_before_the_end(client: Client) -> None:
    made = post(client, regularization={"l2": 0.01}, **SOLVED)
    (entry,) = client.get(f"/v1/jobs/{made}/report").json()["configurations"]
    assert entry["equivalents"] == []
