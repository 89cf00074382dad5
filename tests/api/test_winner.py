"""Which model a job serves, and what is said of it: chosen by rows that may choose, by its mean."""

import math
import random
from statistics import fmean, stdev
from typing import Any

import pytest

from tests.api.client import Client
from tests.api.work import QUICK, post, train


def noise(rows: int, *, extreme: str | None = None, at: int = 0, column: str = "x") -> str:
    """A table of two columns, with one cell that is not like the others."""
    chance = random.Random(rows)
    lines = []
    for number in range(rows):
        x = f"{chance.random():.4f}"
        y = f"{0.5 + 0.1 * chance.random():.4f}"
        if extreme is not None and number == at:
            x, y = (extreme, y) if column == "x" else (x, extreme)
        lines.append(f"{x},{y}")
    return "x,y\n" + "\n".join(lines) + "\n"


def uploaded(client: Client, csv: str) -> str:
    answer = client.upload(csv, target="y")
    assert answer.status_code == 201, answer.text
    dataset: str = answer.json()["id"]
    return dataset


STRENGTHS = {"regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True}}
AT = 7
NAMED = {"rows": {"train": [n for n in range(40) if n != AT and n % 4], "validation": [AT, 4, 8]}}


@pytest.mark.parametrize(
    ("extreme", "column", "job"),
    [
        ("1e30", "x", {"search": {"space": STRENGTHS, "trials": 4}}),
        ("-1e38", "x", {"search": {"space": STRENGTHS, "trials": 2, "refit": True}}),
        ("1e37", "x", {}),
        ("1e30", "y", {"compare": [{"name": "a"}, {"name": "b"}]}),
        ("-2e25", "x", {"repeats": 3}),
    ],
)
def test_what_cannot_be_judged_does_not_win(
    client: Client, extreme: str, column: str, job: dict[str, Any]
) -> None:
    """One cell of a validation row makes the objective infinite; the answer names it."""
    dataset = uploaded(client, noise(40, extreme=extreme, at=AT, column=column))
    job_id = post(client, dataset=dataset, split=NAMED, model="unjudged", **job)
    ended = train(client, job_id)
    assert (ended["state"], ended["best"], ended["model"]["version"]) == ("failed", None, None)
    error = ended["error"]
    assert (error["code"], error["param"]) == ("no_finite_objective", "dataset")
    assert "No configuration has a finite validation_loss" in error["message"]
    assert f"row {AT} (counted from 0) holds {column} = " in error["message"]
    assert error["evidence"]["value"] == pytest.approx(float(extreme))
    assert client.get("/v1/models/unjudged").status_code == 404


def test_a_metric_that_its_rows_do_not_define_is_no_objective(client: Client) -> None:
    """R² of equal targets: nothing extreme is in the data, and that is not claimed."""
    rows = "".join(f"{n / 20},{0.5 if n >= 15 else n / 20}\n" for n in range(20))
    dataset = uploaded(client, "x,y\n" + rows)
    split = {"rows": {"train": list(range(15)), "validation": [17]}}
    search = {"space": STRENGTHS, "trials": 2, "objective": "validation_r2"}
    job = train(client, post(client, dataset=dataset, split=split, search=search))
    if job["state"] == "failed":  # as soon as R² of one row is null
        assert job["error"]["code"] == "no_finite_objective"
        assert "counted from 0" not in job["error"]["message"]


@pytest.mark.parametrize(
    "search",
    [
        {"method": "grid", "points": 5, "space": STRENGTHS},
        {"space": STRENGTHS, "objective": "train_loss"},
        {"space": {"regularization.dropout": {"optional": True}}, "method": "tpe"},
        {"space": {"network.hidden": {"values": [[2], [4]]}}},
    ],
)
def test_a_search_without_validation_rows_is_refused(
    client: Client, search: dict[str, Any]
) -> None:
    body = {"dataset": {"builtin": "iris"}, "split": {"validation": 0}, "search": search}
    for path in ("/v1/jobs", "/v1/jobs/validate"):
        answer = client.post(path, json=body)
        assert answer.status_code == 422
        problem = answer.json()
        assert (problem["code"], problem["param"]) == (
            "search_without_validation",
            "split.validation",
        )
        assert "split.folds" in problem["detail"]


@pytest.mark.parametrize("objective", ["test_loss", "test_accuracy", "test_balanced_accuracy"])
def test_test_rows_do_not_choose(client: Client, objective: str) -> None:
    search = {"space": STRENGTHS, "objective": objective}
    body = {"dataset": {"builtin": "iris"}, "split": {"test": 0.2}, "search": search}
    answer = client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["param"]) == (422, "search.objective")
    assert objective.replace("test", "validation") in answer.json()["detail"]


TWO = [{"name": "a"}, {"name": "b"}]


def means(trials: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    names = trials[0]["metrics"]
    values = {name: [trial["metrics"][name] for trial in trials] for name in names}
    return {
        name: (fmean(of_it), stdev(of_it))
        for name, of_it in values.items()
        if all(value is not None for value in of_it)
    }


@pytest.mark.parametrize(
    ("job", "replicas"),
    [
        ({"split": {"folds": 5}}, 5),
        ({"split": {"folds": 4}, "repeats": 2}, 8),
        ({"split": {"folds": 3, "test": 0.2}}, 3),
        ({"split": {"folds": 3}, "compare": [{"name": "a"}, {"name": "b"}]}, 3),
        ({"split": {"folds": 3}, "regularization": {"early_stopping": {"patience": 1}}}, 3),
        ({"split": {"folds": 2}, "search": {"space": STRENGTHS, "trials": 3}}, 2),
        ({"repeats": 3, "refit": True}, 3),
    ],
)
def test_the_mean_is_told_and_what_is_served_saw_all_rows(
    client: Client, job: dict[str, Any], replicas: int
) -> None:
    """Not the luckiest fold, and not its numbers: of 40 rows of noise, one of them looks good."""
    dataset = uploaded(client, noise(40))
    name = f"mean{random.Random(str(job)).randrange(10**6)}"
    job_id = post(client, dataset=dataset, model=name, **job)
    ended = train(client, job_id)
    best = ended["best"]
    trials = client.get(f"/v1/jobs/{job_id}/trials?limit=100").json()["data"]
    assert ended["trials"]["total"] == ended["trials"]["finished"] == len(trials)
    served = next(trial for trial in trials if trial["id"] == best["trial"])
    number = served["settings"]["refit"]
    chosen = [trial for trial in trials if trial["configuration"] == number]
    assert (best["refitted"], best["n"], len(chosen)) == (True, replicas, replicas)
    assert served["fold"] is None
    assert "validation_loss" not in served["metrics"]
    for metric, (mean, deviation) in means(chosen).items():
        if not metric.startswith("test_"):
            assert best["metrics"][metric] == pytest.approx(mean)
            assert best["deviations"][metric] == pytest.approx(deviation)
    assert best["value"] == best["metrics"]["validation_loss"]
    assert best["single"] == {"trial": served["id"], "metrics": served["metrics"]}
    assert ("test_loss" in best["metrics"]) == ("test" in job.get("split", {}))
    if "test_loss" in best["metrics"]:
        assert best["metrics"]["test_loss"] == served["metrics"]["test_loss"]
    version = client.get(f"/v1/models/{name}/versions/1").json()
    assert version["trial"] == served["id"]
    for member in ("metrics", "deviations", "n", "single"):
        assert version[member] == best[member]
    assert "estimate" not in version["manifest"]
    report = client.get(f"/v1/jobs/{job_id}/report").json()
    assert [entry["configuration"] for entry in report["refits"]] == [number]
    assert report["configurations"][0]["configuration"] == number
    assert all(entry["trials"] == replicas for entry in report["configurations"])
    chart = client.get(f"/v1/jobs/{job_id}/chart").json()
    assert not any("refitted" in line["label"] for line in chart["data"]["datasets"])
    answered = client.post(f"/v1/models/{name}/predict", json={"instances": [{"x": 0.5}]})
    assert math.isfinite(answered.json()["predictions"][0]["value"])


def test_without_folds_the_first_repeat_is_served_unless_asked_otherwise(client: Client) -> None:
    job_id = post(client, repeats=3, model="repeated")
    best = train(client, job_id)["best"]
    trials = client.get(f"/v1/jobs/{job_id}/trials").json()["data"]
    assert len(trials) == 3
    served = next(trial for trial in trials if trial["id"] == best["trial"])
    assert (served["repeat"], best["refitted"], best["n"]) == (0, False, 3)
    assert best["metrics"]["validation_loss"] == pytest.approx(means(trials)["validation_loss"][0])


def test_one_trial_is_its_own_mean(client: Client) -> None:
    best = train(client, post(client))["best"]
    assert (best["n"], best["deviations"], best["chosen_by"]) == (1, None, "best")
    assert best["metrics"] == best["single"]["metrics"]


def test_one_standard_error_is_what_the_report_says(client: Client) -> None:
    search = {
        "method": "grid",
        "points": 4,
        "space": {"regularization.l2.strength": {"low": 1e-6, "high": 1e-1, "log": True}},
        "choose": "one_standard_error",
    }
    job_id = post(client, split={"folds": 4}, search=search, model="simplest")
    ended = train(client, job_id)
    found = client.get(f"/v1/jobs/{job_id}/report").json()["search"]
    choice = found["one_standard_error"]["choice"]
    assert choice is not None
    assert [entry["configuration"] for entry in found["refits"]] == [choice["configuration"]]
    assert ended["best"]["value"] == pytest.approx(choice["mean"])
    assert (ended["best"]["chosen_by"], ended["best"]["refitted"]) == ("one_standard_error", True)
    version = client.get("/v1/models/simplest/versions/1").json()
    assert version["trial"] == ended["best"]["trial"]


@pytest.mark.parametrize("more", [{"repeats": 1}, {"split": {"test": 0.2}}])
def test_one_standard_error_needs_repeats_or_folds(client: Client, more: dict[str, Any]) -> None:
    search = {"space": STRENGTHS, "choose": "one_standard_error"}
    answer = client.post(
        "/v1/jobs", json={"dataset": {"builtin": "iris"}, "search": search, **more}
    )
    assert (answer.status_code, answer.json()["param"]) == (422, "search.choose")
    assert "repeats" in answer.json()["detail"]


def test_what_is_asked_twice_must_agree(client: Client) -> None:
    search = {"space": STRENGTHS, "refit": True}
    body = {"dataset": {"builtin": "iris"}, "search": search, "refit": False}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert "leave one of them out" in answer.json()["detail"]


def test_the_refit_is_counted_before(client: Client) -> None:
    body = {"dataset": {"builtin": "iris"}, "training": QUICK, "split": {"folds": 3}, "repeats": 2}
    with_it = client.post("/v1/jobs/validate", json=body).json()
    without = client.post("/v1/jobs/validate", json={**body, "refit": False}).json()
    assert (with_it["trials"], without["trials"]) == (8, 6)
    assert with_it["fleets"] == without["fleets"] + 1
    assert with_it["steps"] == without["steps"] + 2 * 3 * math.ceil(150 / 64)


@pytest.mark.parametrize(
    ("job", "field"),
    [
        (
            {"split": {"validation": 0}, "compare": [{"name": "a"}, {"name": "b"}]},
            "split.validation",
        ),
        ({"search": {"space": STRENGTHS, "objective": "train_loss"}}, "search.objective"),
        ({"search": {"space": STRENGTHS, "objective": "penalty"}}, "search.objective"),
        ({"split": {"validation": 0}}, None),
        ({"compare": TWO}, None),
        ({"split": {"folds": 3}, "compare": TWO}, None),
    ],
)
def test_a_choice_by_training_rows_is_advised_against(
    client: Client, job: dict[str, Any], field: str | None
) -> None:
    answer = client.post("/v1/jobs/validate", json={"dataset": {"builtin": "iris"}, **job})
    found = [a for a in answer.json()["advice"] if a["code"] == "chosen_on_training_rows"]
    assert [finding["field"] for finding in found] == ([] if field is None else [field])
    assert all(finding["severity"] == "warning" for finding in found)
