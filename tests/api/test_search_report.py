"""The report of a search, over HTTP: what was found, so far or in the end."""

from typing import Any

import pytest

from tests.api.client import Client
from tests.api.work import post, train
from worker.storage import jobs
from worker.storage.states import State


def train_search(client: Client, job_id: str) -> dict[str, Any]:
    """Train a search fleet by fleet, as they are planned; the job afterwards."""
    while train_some(client, job_id):
        pass
    job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
    return job


def train_some(client: Client, job_id: str) -> bool:
    """Train the next fleet; false when there is none."""
    services = client.services
    with services.database.read() as session:
        waiting = [f.id for f in jobs.fleets(session, job_id) if f.state == State.QUEUED]
    if not waiting:
        return False
    train(client, job_id, fleet_ids=waiting[:1])
    return True


SPACE = {
    "regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True},
    "regularization.dropout": {"optional": True},
    "regularization.dropout.p": {"low": 0.0, "high": 0.8},
}
SEARCH = {
    "dataset": {"builtin": "circle", "rows": 200},
    "network": {"kind": "mlp", "hidden": [8]},
    "search": {"method": "random", "trials": 24, "space": SPACE},
    "repeats": 2,
}
AUTO = {
    "dataset": {"builtin": "iris"},
    "network": {"kind": "mlp", "hidden": [8]},
    "split": {"validation": 0.2, "test": 0.2},
    "training": {"epochs": 9, "batch_size": 64},
    "regularization": "auto",
    "search": {"trials": 12, "refit_repeats": 2},
    "model": "auto",
}


@pytest.fixture(scope="module")
def job(client: Client) -> dict[str, Any]:
    return train_search(client, post(client, **SEARCH))


@pytest.fixture(scope="module")
def auto(client: Client) -> dict[str, Any]:
    return train_search(client, post(client, **AUTO))


def report(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    answer = client.get(f"/v1/jobs/{job['id']}/report")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_winner_is_the_jobs_best_with_its_interval(client: Client, job: dict[str, Any]) -> None:
    found = report(client, job)["search"]
    winner = found["winner"]
    assert found["finished"] == 24
    assert winner["configuration"] == report(client, job)["configurations"][0]["configuration"]
    assert winner["n"] == 2
    low, high = winner["interval"]
    assert low <= winner["mean"] <= high
    assert "regularization.l1.strength" in winner["overrides"]


def test_the_simplest_lies_within_a_standard_error(client: Client, job: dict[str, Any]) -> None:
    found = report(client, job)["search"]
    rule, winner = found["one_standard_error"], found["winner"]
    assert rule["limit"] == pytest.approx(winner["mean"] + winner["standard_error"])
    assert rule["choice"]["mean"] <= rule["limit"]
    assert rule["within"] >= 1


def test_fields_are_weighed_and_profiled(client: Client, job: dict[str, Any]) -> None:
    found = report(client, job)["search"]
    assert {field["path"] for field in found["fields"]} == SPACE.keys()
    shares = [field["importance"] for field in found["fields"]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) + found["interactions"] == pytest.approx(1.0)
    for field in found["fields"]:
        assert sum(part["count"] for part in field["profile"]) == 24


def test_the_surface_is_a_grid_with_counts(client: Client, job: dict[str, Any]) -> None:
    surface = report(client, job)["search"]["surface"]
    assert {surface["x"], surface["y"]} == {p for p in SPACE if p.count(".") == 2}
    shape = (len(surface["y_bins"]), len(surface["x_bins"]))
    for name in ("mean", "best", "count"):
        assert (len(surface[name]), len(surface[name][0])) == shape
    for means, counts in zip(surface["mean"], surface["count"], strict=True):
        assert all(
            (mean is None) == (count == 0) for mean, count in zip(means, counts, strict=True)
        )


def test_curves_are_of_the_best_and_the_median(client: Client, job: dict[str, Any]) -> None:
    best, median = report(client, job)["search"]["curves"]
    assert (best["role"], median["role"]) == ("best", "median")
    assert len(best["metrics"]["validation_loss"]) == 3
    assert best["configuration"] != median["configuration"]


def test_a_search_that_has_not_begun_says_nothing(client: Client) -> None:
    found = report(client, {"id": post(client, **SEARCH)})["search"]
    assert (found["finished"], found["winner"], found["surface"]) == (0, None, None)
    assert found["one_standard_error"]["note"]


def test_a_search_that_runs_reports_what_is_there(client: Client) -> None:
    # A fleet holds 256 trials, and a method that learns ten batches.
    spec = {**SEARCH, "search": {"method": "tpe", "trials": 40, "space": SPACE}}
    made = post(client, **spec)
    train_some(client, made)
    found = report(client, {"id": made})
    assert 0 < found["search"]["finished"] < 40
    assert found["search"]["winner"] is not None
    assert client.get(f"/v1/jobs/{made}").json()["state"] not in {"succeeded", "failed"}


def test_a_comparison_has_no_search(client: Client) -> None:
    assert report(client, {"id": post(client)})["search"] is None


@pytest.mark.slow
def test_auto_is_written_out_as_a_search(client: Client, auto: dict[str, Any]) -> None:
    path = f"/v1/jobs/{auto['id']}?include=resolved"
    resolved = client.get(path).json()["resolved"]
    search = resolved["search"]
    assert auto["spec"]["search"] == {**AUTO["search"], "space": "auto"}
    assert search["method"] == "halving"
    assert (search["objective"], search["min_epochs"]) == ("validation_balanced_accuracy", 1)
    assert search["space"]["regularization.mixup"] == {"optional": True}
    assert "regularization.shake_drop" not in search["space"]
    assert search["exclusive"] == [
        [f"regularization.{n}" for n in ("mixup", "cutmix", "cutout", "adversarial")]
    ]
    assert resolved["regularization"]["class_weights"] == {"weights": "balanced"}


def test_auto_is_not_advised_to_regularize(client: Client, auto: dict[str, Any]) -> None:
    answer = client.post("/v1/jobs/validate", json=AUTO)
    fields = [advice["field"] or "" for advice in answer.json()["advice"]]
    assert not any(field.startswith("regularization") for field in fields)


def test_auto_refits_its_winner_and_registers_that(client: Client, auto: dict[str, Any]) -> None:
    assert auto["state"] == "succeeded"
    found = report(client, auto)["search"]
    assert found["finished"] == 12
    winner = found["winner"]["configuration"]
    refits = {entry["configuration"]: entry["metrics"] for entry in found["refits"]}
    assert refits.keys() == {winner, 0}
    assert "validation_loss" not in refits[winner]
    best = auto["best"]["metrics"]["test_balanced_accuracy"]
    assert refits[winner]["test_balanced_accuracy"]["mean"] == best
    assert "refitted" in auto["best"]["name"]
    version = client.get("/v1/models/auto/versions/1").json()
    assert version["trial"] == auto["best"]["trial"]


def test_auto_stands_beside_gradient_boosting(client: Client, auto: dict[str, Any]) -> None:
    baseline = report(client, auto)["search"]["baseline"]
    assert "HistGradientBoosting" in baseline["name"]
    assert baseline["metrics"]["test_balanced_accuracy"] > 0.8


def test_the_refits_of_auto_are_compared_on_the_test_rows(
    client: Client, auto: dict[str, Any]
) -> None:
    """With each other, and with gradient boosting: the same rows, trained on the same rows."""
    found = report(client, auto)
    appraisal, winner = found["appraisal"], found["search"]["winner"]["configuration"]
    assert (appraisal["part"], appraisal["rows"]) == ("test", 30)
    refits = {entry["configuration"]: entry["metrics"] for entry in found["refits"]}
    means = {number: entry["test_balanced_accuracy"]["mean"] for number, entry in refits.items()}
    for entry in appraisal["refits"]:
        assert entry["networks"] == 2
        value = entry["metrics"]["balanced_accuracy"]["value"]
        assert value == pytest.approx(means[entry["configuration"]])
    measured = found["search"]["baseline"]["metrics"]["test_balanced_accuracy"]
    boosting = next(one for one in appraisal["differences"] if one["role"] == "boosting")
    assert boosting["difference"] == pytest.approx(means[winner] - measured)
    assert boosting["pairs"] == 2
    twins = [one for one in appraisal["differences"] if one["role"] == "twin"]
    assert winner == 0 or twins[0]["difference"] == pytest.approx(means[winner] - means[0])
    assert found["verdict"].startswith("the best of 12 ") or "the best of 12 (" in found["verdict"]
    assert "gradient boosting" in found["verdict"]


def test_the_refitted_model_predicts(client: Client, auto: dict[str, Any]) -> None:
    body = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
    answer = client.post("/v1/models/auto/predict", json=body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"search": {"space": "default"}}, None),
        ({"split": {"validation": 0.0}}, "split.validation"),
        (
            {
                "network": {"kind": "linear"},
                "training": {"optimizer": {"kind": "solver"}},
            },
            "training.optimizer.kind",
        ),
        ({"compare": [{"name": "a"}]}, None),
    ],
)
def test_what_auto_cannot_do_is_refused(
    client: Client, change: dict[str, Any], param: str | None
) -> None:
    answer = client.post("/v1/jobs", json={**AUTO, "model": None, **change})
    assert answer.status_code == 422, answer.text
    if param:
        assert answer.json()["param"] == param
