"""The service on the state folder of an earlier release: it answers as recorded, and goes on."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from tests.api.client import Client, running
from tests.api.work import score, train
from tests.stored_state import ARCHIVES, answers, differences, settle, unpack
from worker.settings import ServiceSettings


@pytest.fixture(scope="module", params=ARCHIVES)
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Client, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("state")
    recorded = unpack(request.param, folder)
    with running(ServiceSettings(state=folder, threads=1, device="cpu")) as client:
        settle(client)
        yield client, recorded


def job_ids(client: Client) -> dict[str, str]:
    return {job["name"]: job["id"] for job in client.get("/v1/jobs").json()["data"]}


def test_all_that_reads_answers_as_recorded(opened: tuple[Client, dict[str, Any]]) -> None:
    """`python -m tests.assets.make answers 0002` records anew what is meant to change."""
    client, recorded = opened
    now = answers(client, recorded)
    assert list(islice(differences(recorded, now), 10)) == []


@pytest.mark.parametrize("name", ["interrupted", "waiting"])
def test_what_was_under_way_is_finished(opened: tuple[Client, dict[str, Any]], name: str) -> None:
    """From its checkpoint, or from its plan alone, to what the same job came to before."""
    client, recorded = opened
    ids = job_ids(client)
    job = train(client, ids[name])
    assert (job["state"], job["error"]) == ("succeeded", None)
    whole = recorded[f"GET /v1/jobs/{ids['whole']}/trials"]["body"]["data"]
    trials = client.get(f"/v1/jobs/{ids[name]}/trials").json()["data"]
    expected, found = (
        {(trial["name"], trial["repeat"]): trial["metrics"] for trial in rows}
        for rows in (whole, trials)
    )
    assert len(expected) == 6
    for trial, metrics in expected.items():
        both = metrics.keys() & found[trial].keys()
        assert both >= {"train_loss", "validation_loss", "validation_accuracy", "penalty"}
        for metric in both:
            place, then = (trial, metric), metrics[metric]
            close = None if then is None else pytest.approx(then, rel=1e-4, abs=1e-5)
            assert found[trial][metric] == close, place


def test_predictions_that_were_under_way_are_finished(
    opened: tuple[Client, dict[str, Any]],
) -> None:
    """From their stored parts, or from their first row, to the file of the one that had ended."""
    client, _ = opened
    listed = {one["name"]: one for one in client.get("/v1/predictions").json()["data"]}
    if not listed:
        pytest.skip("that release had no predictions")
    ended = listed.pop("scored")
    assert {name: (one["state"], one["rows_done"]) for name, one in listed.items()} == {
        "half scored": ("queued", 32),
        "to be scored": ("queued", 0),
    }
    for one in listed.values():
        scored = score(client, one["id"])
        assert (scored["state"], scored["error"]) == ("succeeded", None)
        assert scored["result"]["sha256"] == ended["result"]["sha256"]


def test_a_data_set_of_before_is_looked_at_and_declared(
    opened: tuple[Client, dict[str, Any]],
) -> None:
    """Its file was not kept: columns can be declared, but nothing that only a reader can use."""
    client, recorded = opened
    (listed,) = client.get("/v1/datasets").json()["data"]
    path = f"/v1/datasets/{listed['id']}"
    whole, before = client.get(path).json(), recorded[f"GET {path}"]["body"]
    if before.get("source"):
        pytest.skip("that release kept the file")
    assert (whole["source"], whole["findings"], whole["understood"]) == (None, [], None)
    assert listed["columns_count"] == whole["columns_count"] == before["columns_count"]
    for now, then in zip(whole["columns"], before["columns"], strict=True):
        assert {name: now[name] for name in then} == then
    assert client.get(f"{path}/preview").json()["rows_count"] == before["rows"]
    named = before["columns"][0]["name"]
    body = {"dataset": listed["id"], "columns": {named: "ignore"}}
    fewer = client.post("/v1/jobs/validate", json=body)
    assert fewer.status_code == 200, fewer.text
    assert "upload it again" in client.post("/v1/jobs", json={**body, "decimal": ","}).text


def test_a_key_of_before_makes_no_second_job(opened: tuple[Client, dict[str, Any]]) -> None:
    """A body that has new fields by default may be refused as another one."""
    client, recorded = opened
    whole = recorded[f"GET /v1/jobs/{job_ids(client)['whole']}"]["body"]
    posted = client.post("/v1/jobs", json=whole["spec"], headers={"Idempotency-Key": "shapes-1"})
    if posted.status_code == 202:
        assert posted.json()["id"] == whole["id"]
    else:
        assert posted.json()["code"] == "idempotency_key_reused"
    assert len(job_ids(client)) == len(recorded["GET /v1/jobs"]["body"]["data"])
