"""A job's wishes: the device that it trains on, and its priority."""

import pytest

from tests.api.client import Client
from tests.api.work import QUICK, post, train
from worker.storage import jobs, turns


def test_wishes_decide_who_is_offered_its_fleets_and_when(fresh: Client) -> None:
    usual = post(fresh)
    urgent = post(fresh, priority=3)
    elsewhere = post(fresh, device="gpu", priority=10)
    with fresh.services.database.read() as session:
        ids = {job: jobs.fleets(session, job)[0].id for job in (usual, urgent, elsewhere)}
        assert turns.due(session, limit=9, device="cpu") == [ids[urgent], ids[usual]]
        assert turns.due(session, limit=9, device="gpu")[0] == ids[elsewhere]
    spec = fresh.get(f"/v1/jobs/{elsewhere}").json()["spec"]
    assert (spec["device"], spec["priority"]) == ("gpu", 10)


def test_what_follows_in_a_search_has_the_same_wishes(fresh: Client) -> None:
    space = {"regularization.l1.strength": {"low": 1e-4, "high": 1e-1, "log": True}}
    search = {"space": space, "trials": 4, "method": "halving", "min_epochs": 1, "refit": True}
    job = post(fresh, device="cpu", priority=-4, search=search)
    assert train(fresh, job)["state"] == "succeeded"
    with fresh.services.database.read() as session:
        found = jobs.fleets(session, job)
        assert len(found) > 1
        assert {(fleet.device, fleet.rank) for fleet in found} == {("cpu", 4)}


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"device": "tpu"}, "device"),
        ({"device": "cuda:1"}, "device"),
        ({"priority": 11}, "priority"),
        ({"priority": -11}, "priority"),
        ({"priority": 1.5}, "priority"),
    ],
)
def test_wishes_out_of_range_are_refused_by_name(
    client: Client, wish: dict[str, object], param: str
) -> None:
    body = {"dataset": {"builtin": "iris"}, "training": QUICK, **wish}
    answer = client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["param"]) == (422, param)
