"""A search by HTTP: refused, planned wave by wave, followed, cancelled."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import Client, running
from tests.api.work import post
from worker.runtime.fleet_training import FleetTraining
from worker.runtime.standby import Channel
from worker.settings import ServiceSettings
from worker.storage import events, fleets, jobs, turns
from worker.storage.types import utc_now

L1 = "regularization.l1.strength"
DROPOUT = "regularization.dropout.p"
SPACE = {L1: {"low": 1e-6, "high": 1e-2, "log": True}}


def step(client: Client, *, most: int = 1) -> int:
    """Train fleets as long as any waits, so many at most; how many there were."""
    services, done = client.services, 0
    silent = os.open(os.devnull, os.O_RDWR)
    try:
        while done < most:
            with services.database.write() as session:
                due = turns.due(session, limit=1)
                lease = fleets.claim(session, due[0], owner="test") if due else None
            if lease is None:
                break
            FleetTraining(
                services.settings,
                services.database,
                services.artefacts,
                lease,
                Channel(silent, silent),
            ).run()
            done += 1
    finally:
        os.close(silent)
    return done


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Client]:
    """Fleets of eight, so that a search of forty has waves."""
    with running(ServiceSettings(state=tmp_path / "state", fleet_trials=8)) as started:
        yield started


def read(client: Client, job_id: str) -> dict[str, Any]:
    body: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
    return body


def pages(client: Client, job_id: str, limit: int = 7) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = client.get(f"/v1/jobs/{job_id}/trials?limit={limit}{after}").json()
        found += page["data"]
        if not page["has_more"]:
            return found
        after = f"&after={page['data'][-1]['id']}"


@pytest.mark.parametrize(
    ("search", "param"),
    [
        ({"space": {"regularization.l7.p": {"low": 0, "high": 1}}}, "regularization.l7.p"),
        ({"space": {L1: {"low": 1, "high": 0}}}, L1),
        ({"space": {L1: {"low": 0, "high": 1, "log": True}}}, L1),
        ({"space": {L1: {"values": []}}}, f"{L1}.values"),
        ({"space": {L1: {"values": [0.1, -1.0]}}}, L1),
        (
            {"space": {"regularization.dropout.p": {"low": 0, "high": 1}}},
            "regularization.dropout.p",
        ),
    ],
)
def test_a_bad_space_is_refused_by_its_path(
    client: Client, search: dict[str, Any], param: str
) -> None:
    body = {"dataset": {"builtin": "iris"}, "search": search}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["param"] == f"search.space.{param}"


@pytest.mark.parametrize(
    "more",
    [{"compare": [{"name": "a"}]}, {"attribute": True, "regularization": {"l1": {"strength": 1}}}],
)
def test_a_search_stands_alone(client: Client, more: dict[str, Any]) -> None:
    body = {"dataset": {"builtin": "iris"}, "search": {"space": SPACE}, **more}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert "exclude" in answer.json()["detail"]


def test_a_search_is_planned_as_its_fleets_end(small: Client) -> None:
    job_id = post(small, search={"space": SPACE, "trials": 44}, model="found")
    before = read(small, job_id)
    assert before["trials"] == {"total": 44, "finished": 0, "failed": 0}
    assert len(pages(small, job_id)) == 32
    step(small)
    during = read(small, job_id)
    assert during["state"] == "running"
    assert during["trials"]["finished"] == 8
    assert during["best"]["value"] == pages(small, job_id)[0]["metrics"]["validation_loss"]
    assert during["progress"]["fraction"] == pytest.approx(8 / 44, abs=0.06)
    assert during["progress"]["eta_seconds"] > 0
    assert len(pages(small, job_id)) == 40
    assert step(small, most=99) == 5
    after = read(small, job_id)
    assert after["state"] == "succeeded"
    assert after["trials"] == {"total": 44, "finished": 44, "failed": 0}
    assert after["progress"]["fraction"] == 1
    assert after["model"] == {"name": "found", "version": 1}
    found = pages(small, job_id)
    losses = [trial["metrics"]["validation_loss"] for trial in found]
    assert losses == sorted(losses)
    assert sorted(trial["configuration"] for trial in found) == list(range(44))
    assert len({trial["overrides"][L1] for trial in found}) == 44
    for trial in found:
        assert trial["settings"]["regularization"]["l1"]["strength"] == trial["overrides"][L1]
    assert after["best"]["trial"] == found[0]["id"]
    assert small.get("/v1/models/found").status_code == 200


def test_a_search_that_learns_is_told_across_fleets(small: Client) -> None:
    job_id = post(small, search={"method": "tpe", "space": SPACE, "trials": 24, "seed": 3})
    assert step(small, most=99) == 3
    assert read(small, job_id)["state"] == "succeeded"
    assert len(pages(small, job_id)) == 24


def kill(client: Client) -> None:
    """Claim what waits first, as a trainer that dies of it for the last time."""
    with client.services.database.write() as session:
        (due,) = turns.due(session, limit=1)
        lease = fleets.claim(session, due, owner="test")
        assert lease is not None
        fleets.crashed(session, lease, "its trainer ended by signal 9", max_attempts=1)


def test_a_search_outlives_a_fleet_that_kills_its_trainers(small: Client) -> None:
    """Nothing else of it is open, and only a trainer can plan what follows."""
    job_id = post(small, search={"method": "tpe", "space": SPACE, "trials": 24})
    kill(small)
    assert read(small, job_id)["state"] in {"queued", "running"}
    assert step(small, most=99) == 3  # one to carry on, two of eight trials
    after = read(small, job_id)
    assert after["state"] == "succeeded"
    assert after["trials"] == {"total": 24, "finished": 24, "failed": 8}


def test_a_search_ends_where_its_last_fleets_kill_their_trainers(small: Client) -> None:
    """Neither a refit nor what carries a search on is tried for ever."""
    search = {"method": "tpe", "space": SPACE, "trials": 8, "refit": True}
    job_id = post(small, search=search)
    step(small)
    kill(small)
    assert read(small, job_id)["state"] == "succeeded"
    other = post(small, search=search)
    kill(small)
    kill(small)
    assert read(small, other)["state"] == "failed"
    assert step(small, most=99) == 0


def test_a_budget_ends_a_search(small: Client) -> None:
    job_id = post(small, search={"space": SPACE, "budget_seconds": 1e-6})
    assert read(small, job_id)["trials"]["total"] == 8
    step(small, most=99)
    after = read(small, job_id)
    assert (after["state"], after["trials"]["total"]) == ("succeeded", 8)


def test_a_pause_does_not_use_up_a_budget(small: Client) -> None:
    job_id = post(small, search={"space": SPACE, "budget_seconds": 3600})
    small.post(f"/v1/jobs/{job_id}/pause")
    with small.services.database.write() as session:
        long_ago = utc_now() - timedelta(days=2)
        jobs.find_job(session, job_id).started_at = long_ago
        for event in events.event_page(session, job_id).items:
            event.created_at = long_ago
    small.post(f"/v1/jobs/{job_id}/resume")
    step(small)
    after = read(small, job_id)
    assert (after["state"], after["trials"]["total"] > 8) == ("running", True)
    small.post(f"/v1/jobs/{job_id}/cancel")


def test_cancelling_keeps_what_has_finished(small: Client) -> None:
    job_id = post(small, search={"space": SPACE, "trials": 100})
    step(small)
    cancelled = small.post(f"/v1/jobs/{job_id}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert step(small) == 0
    found = pages(small, job_id)
    assert [trial["state"] for trial in found[:8]] == ["succeeded"] * 8
    assert all(trial["metrics"] for trial in found[:8])
    assert cancelled["best"]["trial"] == found[0]["id"]
    assert cancelled["trials"]["finished"] == 8


def test_folds_and_repeats_are_judged_by_their_mean(small: Client) -> None:
    job_id = post(
        small,
        search={"space": SPACE, "trials": 3, "refit_repeats": 2},
        split={"folds": 2, "seed": 1},
        repeats=2,
    )
    step(small, most=99)
    after = read(small, job_id)
    assert after["trials"]["total"] == 12 + 2
    means: dict[int, list[float]] = {}
    trials = pages(small, job_id)
    competing = [trial for trial in trials if trial["settings"].get("refit") is None]
    assert trials[: len(competing)] == competing
    for trial in competing:
        means.setdefault(trial["configuration"], []).append(trial["metrics"]["validation_loss"])
    best = min(sum(values) / 4 for values in means.values())
    assert after["best"]["value"] == pytest.approx(best)
    assert after["best"]["metrics"]["validation_loss"] == after["best"]["value"]
    assert (after["best"]["n"], after["best"]["refitted"]) == (4, True)
    assert after["best"]["single"] == {
        "trial": after["best"]["trial"],
        "metrics": next(t["metrics"] for t in trials if t["id"] == after["best"]["trial"]),
    }


def test_the_objective_may_be_any_metric(small: Client) -> None:
    job_id = post(small, search={"space": SPACE, "trials": 6, "objective": "validation_accuracy"})
    step(small, most=99)
    found = [trial["metrics"]["validation_accuracy"] for trial in pages(small, job_id)]
    assert found == sorted(found, reverse=True)
    assert read(small, job_id)["best"]["value"] == found[0]


def test_a_page_after_a_trial_of_another_job_is_not_found(small: Client) -> None:
    job_id = post(small, search={"space": SPACE, "trials": 3})
    answer = small.get(f"/v1/jobs/{job_id}/trials?after=trl_0")
    assert (answer.status_code, answer.json()["param"]) == (404, "after")


def test_a_search_may_be_checked_without_training(client: Client) -> None:
    body = {"dataset": {"builtin": "iris"}, "search": {"space": SPACE, "trials": 5000}}
    answer = client.post("/v1/jobs/validate", json=body).json()
    assert answer["trials"] == 5000
    assert answer["fleets"] == 20
    halved = {**body, "search": {**body["search"], "method": "halving", "min_epochs": 5}}
    less = client.post("/v1/jobs/validate", json=halved).json()["estimate"]["seconds"]
    assert less < 0.8 * answer["estimate"]["seconds"]
    body["search"] |= {"trials": None, "budget_seconds": 7.5}
    answer = client.post("/v1/jobs/validate", json=body).json()
    assert (answer["trials"], answer["estimate"]["seconds"]) == (100_000, 7.5)


@pytest.mark.parametrize(("dataset", "curves"), [("diabetes", 10), ("iris", 12)])
def test_a_path_reports_its_weights(fresh: Client, dataset: str, curves: int) -> None:
    job_id = post(
        fresh,
        dataset={"builtin": dataset},
        network={"kind": "linear"},
        training={"epochs": 50},
        search={
            "method": "path",
            "over": L1,
            "points": 12,
            "space": {L1: {"low": 1e-3, "high": 3.0, "log": True}},
        },
    )
    before = fresh.get(f"/v1/jobs/{job_id}/report").json()["path"]
    assert before["weights"] == []
    assert step(fresh, most=9) == 1
    path = fresh.get(f"/v1/jobs/{job_id}/report").json()["path"]
    assert path["over"] == L1
    assert path["values"] == sorted(path["values"], reverse=True)
    assert path["log"][0] == pytest.approx(1.0986, abs=1e-4)
    assert path["sparsity"][0] == 1.0
    assert path["train_loss"] == sorted(path["train_loss"], reverse=True)
    assert len(path["weights"]) == curves
    entries = [weight["enters"] for weight in path["weights"]]
    assert entries[0] > 0
    assert entries == sorted(entries, key=lambda point: 99 if point is None else point)
    for weight in path["weights"]:
        assert weight["values"][0] == 0


@pytest.mark.parametrize(
    "dataset", ["diabetes", pytest.param("breast_cancer", marks=pytest.mark.slow), "iris"]
)
@pytest.mark.parametrize("technique", ["l1", "elastic_net"])
def test_a_linear_path_begins_where_the_first_weight_appears(
    fresh: Client, dataset: str, technique: str
) -> None:
    settings: dict[str, Any] = {"strength": 1.0}
    if technique == "elastic_net":
        settings["l1_ratio"] = 0.7
    job_id = post(
        fresh,
        dataset={"builtin": dataset},
        network={"kind": "linear"},
        training={"epochs": 30},
        regularization={technique: settings},
        search={"method": "path", "over": f"regularization.{technique}.strength", "points": 40},
    )
    step(fresh, most=9)
    path = fresh.get(f"/v1/jobs/{job_id}/report").json()["path"]
    assert path["values"][0] == pytest.approx(1000 * path["values"][-1])
    assert path["sparsity"][0] == pytest.approx(1.0)
    assert path["weights"][0]["enters"] in (1, 2)


def test_the_chart_of_a_search_draws_the_best(small: Client) -> None:
    job_id = post(small, search={"space": SPACE, "trials": 10})
    step(small, most=9)
    chart = small.get(f"/v1/jobs/{job_id}/chart?top=3").json()
    best = {trial["name"] for trial in pages(small, job_id)[:3]}
    assert {line["label"] for line in chart["data"]["datasets"] if line["order"] == 0} == best


def test_a_report_without_what_the_search_found(small: Client) -> None:
    job_id = post(
        small,
        search={"space": {**SPACE, DROPOUT: {"low": 0.0, "high": 0.8}}, "trials": 12},
        repeats=2,
    )
    path = f"/v1/jobs/{job_id}/report"
    step(small)
    early = small.get(path).json()["search"]["finished"]
    assert 0 < early < 12
    step(small, most=99)
    whole, short = small.get(path).json(), small.get(f"{path}?search=false").json()
    assert whole["search"]["finished"] == 12
    assert (short.pop("search"), short.pop("path")) == (None, None)
    assert short == {name: whole[name] for name in short}
    assert small.get(path).json() == whole  # the second time it is not computed again
