"""Jobs over HTTP: accepted, listed, cancelled, waited for."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from service.examples import COMPARISON, JOBS
from tests.api.client import Client
from tests.api.work import post, train
from tests.databases import KINDS, until_blocked
from worker.schema import Json
from worker.storage import datasets


def resolved(client: Client, job_id: str) -> dict[str, Any]:
    answer = client.get(f"/v1/jobs/{job_id}", params={"include": "resolved"}).json()
    spec: dict[str, Any] = answer["resolved"]
    return spec


# What is written and read; validation writes nothing, and its tests need no second database.
ON_BOTH = pytest.mark.database_kinds(*KINDS)
ON_POSTGRESQL = pytest.mark.database_kinds("postgresql")


@ON_BOTH
def test_an_accepted_job_is_there(client: Client) -> None:
    answer = client.post("/v1/jobs", json=COMPARISON)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["object"], job["state"], job["name"]) == ("job", "queued", COMPARISON["name"])
    assert job["trials"] == {"total": 4, "finished": 0, "failed": 0}
    assert job["progress"] == {"fraction": 0.0, "epoch": 0, "epochs": 50, "eta_seconds": None}
    assert job["model"] == {"name": "circle", "version": None}
    assert job["error"] is None
    assert client.get(f"/v1/jobs/{job['id']}").json() == job


@ON_BOTH
def test_the_stored_spec_is_complete_and_makes_the_same_job(client: Client) -> None:
    body = {"dataset": {"builtin": "iris"}, "regularization": {"l1": {"strength": 0.01}}}
    job = client.post("/v1/jobs", json=body).json()
    assert (job["spec"], "resolved" in job) == (body, False)
    spec = resolved(client, job["id"])
    assert spec["training"]["optimizer"]["beta1"] == 0.9
    assert spec["regularization"].keys() == {"l1"}
    assert spec["regularization"]["l1"]["biases"] is False
    again = client.post("/v1/jobs", json=spec).json()
    assert again["spec"] == spec == resolved(client, again["id"])
    listed = client.get("/v1/jobs", params={"limit": 2}).json()["data"]
    assert [(row["id"], row["dataset"]) for row in listed] == [
        (again["id"], "iris"),
        (job["id"], "iris"),
    ]


def test_short_forms_are_answered_in_the_long_form(client: Client) -> None:
    short = {"l1": 1e-4, "dropout": 0.5, "early_stopping": True}
    full = {"l1": {"strength": 1e-4}, "dropout": {"p": 0.5}, "early_stopping": {}}
    keys = {"Idempotency-Key": "short"}
    made = [
        client.post(
            "/v1/jobs",
            json={
                "dataset": {"builtin": "iris"},
                "regularization": regularization,
                "compare": [{"name": "a"}, {"name": "b", "regularization": regularization}],
            },
            headers=keys,
        ).json()
        for regularization in (short, full)
    ]
    assert made[0]["id"] == made[1]["id"]
    assert made[0]["spec"]["regularization"] == full
    assert made[0]["spec"]["compare"][1]["regularization"] == full


def test_a_search_varies_short_forms(client: Client) -> None:
    space = {"regularization.dropout": {"values": [None, 0.25]}}
    made = post(client, search={"method": "grid", "space": space})
    train(client, made)
    trials = client.get(f"/v1/jobs/{made}/trials").json()["data"]
    assert sorted(trial["name"] for trial in trials) == ["0: dropout=off", "1: dropout=0.25"]
    settings = {trial["configuration"]: trial["settings"]["regularization"] for trial in trials}
    assert (settings[0], settings[1]["dropout"]["p"]) == ({}, 0.25)


@ON_BOTH
def test_row_lists_are_given_on_request_alone(client: Client) -> None:
    rows = {"train": list(range(5000)), "validation": list(range(5000, 5200))}
    body = {"dataset": {"builtin": "circle", "rows": 6000}, "split": {"rows": rows}}
    job = client.post("/v1/jobs", json=body).json()
    shown = job["spec"]["split"]["rows"]
    assert (shown["train_count"], shown["train"]) == (5000, rows["train"][:100])
    assert (shown["validation_count"], len(shown["validation"])) == (200, 100)
    path = f"/v1/jobs/{job['id']}"
    for answer in (client.get(path), client.get("/v1/jobs", params={"limit": 1})):
        assert len(answer.content) < 4000
    assert resolved(client, job["id"])["split"]["rows"] == {**rows, "test": []}
    refused = client.post("/v1/jobs", json=job["spec"]).json()
    assert refused["param"] == "split.rows.train_count"


def test_the_specs_of_a_list_are_not_read(client: Client) -> None:
    made = post(client)
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "FROM job" in statement and "job.advice" in statement:
            statements.append(statement)

    engine = client.services.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        client.get(f"/v1/jobs/{made}")
        client.get("/v1/jobs")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    one, listed = statements
    assert "job.spec" not in one
    assert not any(f"job.{name}" in listed for name in ("spec", "posted", "understood"))


@ON_BOTH
@pytest.mark.parametrize("name", JOBS)
def test_every_documented_example_is_accepted(client: Client, name: str) -> None:
    assert client.post("/v1/jobs", json=JOBS[name]["value"]).status_code == 202


def test_validation_says_what_would_be_trained_and_stores_nothing(fresh: Client) -> None:
    answer = fresh.post("/v1/jobs/validate", json=COMPARISON)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["valid"], found["trials"], found["fleets"]) == (True, 4, 1)
    assert found["parameters"] == 2751
    assert found["estimate"]["seconds"] > 0
    assert found["estimate"]["bytes"] >= 4 * 2751 * 4
    assert found["estimate"]["method"] == "probe"
    assert fresh.get("/v1/jobs").json()["data"] == []


def test_validation_gives_advice(client: Client) -> None:
    spec = {
        "dataset": {"builtin": "iris"},
        "split": {"validation": 0.0},
        "regularization": {"early_stopping": {}},
    }
    advice = client.post("/v1/jobs/validate", json=spec).json()["advice"]
    fields = {finding["code"]: finding["field"] for finding in advice}
    assert fields == {
        "early_stopping_without_validation": "regularization.early_stopping",
        "small_data_weak_regularization": "regularization",
    }
    assert client.post("/v1/jobs", json=spec).json()["advice"] == advice


def test_validation_looks_at_every_configuration(client: Client) -> None:
    found = client.post("/v1/jobs/validate", json=COMPARISON).json()["advice"]
    fields = {finding["code"]: finding["field"] for finding in found}
    assert fields["penalty_outweighs_loss"] == "compare.1.regularization.l1.strength"
    assert fields["rescaled_by_adam"] == "compare.2.regularization.weight_decay"


@pytest.mark.parametrize("name", JOBS)
def test_every_documented_example_is_probed(client: Client, name: str) -> None:
    estimate = client.post("/v1/jobs/validate", json=JOBS[name]["value"]).json()["estimate"]
    assert estimate["method"] == "probe"
    assert estimate["seconds"] > 0


def test_what_no_machine_could_train_is_refused_and_nothing_is_allocated(client: Client) -> None:
    """100 trials of 4 billion parameters would take terabytes."""
    spec = {
        "dataset": {"builtin": "iris"},
        "network": {"kind": "mlp", "hidden": [16_384] * 17},
        "repeats": 100,
    }
    checked = client.post("/v1/jobs/validate", json=spec)
    posted = client.post("/v1/jobs", json=spec)
    assert checked.status_code == posted.status_code == 422
    problem = checked.json()
    assert problem == posted.json()
    assert (problem["code"], problem["param"]) == ("limit_exceeded", "network")
    assert problem["value"] == 4_295_360_515
    assert (problem["measure"], problem["limit"]) == ("parameters", 500_000_000)
    assert problem["setting"] == "PARSIMONY_MAX_JOB_PARAMETERS"


def test_a_refusal_has_the_numbers_that_validation_shows(client: Client) -> None:
    spec: Json = {"dataset": {"builtin": "circle"}, "repeats": 10}
    found = client.post("/v1/jobs/validate", json=spec).json()
    assert (found["trials"], found["steps"]) == (10, 10 * 50 * 25)
    spec["repeats"] = 100
    spec["training"] = {"epochs": 100_000, "batch_size": 1}
    problem = client.post("/v1/jobs/validate", json=spec).json()
    assert (problem["measure"], problem["value"]) == ("steps", 100 * 100_000 * 800)


def test_validation_on_uploaded_data(client: Client) -> None:
    rows = "\n".join(f"customer {n},{n % 7},{'ab'[n % 3 == 0]}" for n in range(90))
    dataset = client.upload(f"who,x,y\n{rows}\n", name="c", target="y").json()["id"]
    found = client.post("/v1/jobs/validate", json={"dataset": dataset}).json()
    assert found["estimate"]["method"] == "probe"
    assert "identifier" in {finding["code"] for finding in found["advice"]}


@ON_BOTH
def test_pages_hold_every_job_once_and_states_filter(fresh: Client) -> None:
    made = [post(fresh) for _ in range(5)]
    fresh.post(f"/v1/jobs/{made[1]}/cancel")
    first = fresh.get("/v1/jobs", params={"limit": 3}).json()
    assert [job["id"] for job in first["data"]] == made[:1:-1]
    assert first["has_more"]
    rest = fresh.get("/v1/jobs", params={"limit": 3, "after": made[2]}).json()
    assert [job["id"] for job in rest["data"]] == [made[1], made[0]]
    assert not rest["has_more"]
    cancelled = fresh.get("/v1/jobs", params={"state": "cancelled"}).json()["data"]
    assert [job["id"] for job in cancelled] == [made[1]]


@ON_BOTH
def test_the_same_key_and_body_make_one_job(client: Client) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"dataset": {"builtin": "iris"}}
    first = client.post("/v1/jobs", json=body, headers=headers)
    again = client.post("/v1/jobs", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()


@ON_BOTH
def test_a_key_with_another_body_is_refused(client: Client) -> None:
    headers = {"Idempotency-Key": "twice"}
    client.post("/v1/jobs", json={"dataset": {"builtin": "iris"}}, headers=headers)
    answer = client.post("/v1/jobs", json={"dataset": {"builtin": "wine"}}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


@ON_BOTH
def test_one_key_sent_at_the_same_time_makes_one_job(fresh: Client) -> None:
    def send(_: int) -> str:
        answer = fresh.post(
            "/v1/jobs",
            json={"dataset": {"builtin": "iris"}},
            headers={"Idempotency-Key": "together"},
        )
        job_id: str = answer.json()["id"]
        return job_id

    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(send, range(16)))
    assert len(made) == 1
    assert len(fresh.get("/v1/jobs").json()["data"]) == 1


@ON_POSTGRESQL
def test_of_two_that_have_both_looked_for_a_key_the_later_one_finds_the_job(fresh: Client) -> None:
    # Each waits for the other before it binds the key: neither has seen the other's, so the later
    # one is refused by the database. SQLite lets one writer at a time come so far.
    both_have_looked = threading.Barrier(2, timeout=20)

    def wait_for_the_other(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO idempotency"):
            both_have_looked.wait()

    event.listen(fresh.services.database.engine, "before_cursor_execute", wait_for_the_other)

    def send(_: int) -> httpx.Response:
        return fresh.post(
            "/v1/jobs",
            json={"dataset": {"builtin": "iris"}},
            headers={"Idempotency-Key": "together"},
        )

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(send, range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert len(fresh.get("/v1/jobs").json()["data"]) == 1


@ON_POSTGRESQL
def test_a_job_waits_for_the_deletion_of_its_data_set_and_is_refused(fresh: Client) -> None:
    dataset_id = fresh.upload("x,y\n" + "1,a\n2,b\n" * 30, target="y").json()["id"]
    with ThreadPoolExecutor(1) as thread:
        with fresh.services.database.write() as session:
            datasets.delete(session, dataset_id)
            posting = thread.submit(fresh.post, "/v1/jobs", json={"dataset": dataset_id})
            until_blocked(fresh.services.database)
        answer = posting.result()
    assert (answer.status_code, answer.json()["code"]) == (422, "dataset_not_found")


@ON_BOTH
def test_a_queued_job_is_cancelled_at_once_and_for_good(client: Client) -> None:
    job = post(client)
    answer = client.post(f"/v1/jobs/{job}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert answer.json()["finished_at"] is not None
    assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"


@ON_BOTH
def test_a_finished_job_cannot_be_cancelled(client: Client) -> None:
    job = post(client)
    train(client, job)
    answer = client.post(f"/v1/jobs/{job}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_ended")


def test_a_wait_ends_with_the_time_asked_for(client: Client) -> None:
    job = post(client)
    began = time.monotonic()
    answer = client.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=1"})
    assert 0.9 < time.monotonic() - began < 5
    assert answer.json()["state"] == "queued"
    assert answer.headers["preference-applied"] == "wait=1"


@ON_BOTH
def test_a_wait_ends_with_the_job(client: Client) -> None:
    job = post(client)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(
            client.get, f"/v1/jobs/{job}", headers={"Prefer": "respond-async, wait=20"}
        )
        train(client, job)
        answer = waiting.result(timeout=30)
    assert answer.json()["state"] == "succeeded"
    assert answer.headers["preference-applied"] == "wait=20"


def test_a_post_waits_too(client: Client) -> None:
    answer = client.post(
        "/v1/jobs", json={"dataset": {"builtin": "iris"}}, headers={"Prefer": "wait=1"}
    )
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"


@pytest.mark.database_kinds(*KINDS, others_are_slow=True)
def test_many_waits_hold_no_threads(client: Client) -> None:
    """More clients wait than there are threads, and others are still answered."""
    jobs = [post(client) for _ in range(3)]
    with ThreadPoolExecutor(60) as threads:
        waiting = [
            threads.submit(client.get, f"/v1/jobs/{jobs[n % 3]}", headers={"Prefer": "wait=60"})
            for n in range(60)
        ]
        began = time.monotonic()
        assert client.get("/v1/jobs", params={"limit": 1}).status_code == 200
        assert time.monotonic() - began < 5
        for job in jobs:
            client.post(f"/v1/jobs/{job}/cancel")
        states = {one.result(timeout=30).json()["state"] for one in waiting}
    assert states == {"cancelled"}


@pytest.mark.parametrize("path", ["", "/trials", "/metrics", "/events", "/chart", "/report"])
def test_an_unknown_job_is_not_found(client: Client, path: str) -> None:
    answer = client.get(f"/v1/jobs/job_nowhere{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
