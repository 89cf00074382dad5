"""A job's events as they happen: every watcher has all of them, in order, however it reads."""

import pytest

from service.live import wants_events
from tests.api.client import Client
from tests.api.watching import Watcher
from tests.api.work import QUICK, post, train
from worker.storage import jobs

COMPARED = {
    "repeats": 2,
    "training": {**QUICK, "epochs": 6},
    "compare": [
        {"name": "none", "regularization": {}},
        {"name": "dropout", "regularization": {"dropout": {"p": 0.5}}},
    ],
}


def logged(client: Client, job_id: str) -> list[int]:
    page = client.get(f"/v1/jobs/{job_id}/events").json()
    return [line["id"] for line in page["data"]]


def test_each_watcher_is_told_all_in_order_and_the_verdict_last(client: Client) -> None:
    job_id = post(client, **COMPARED)
    watchers = [Watcher(client, job_id) for _ in range(3)]
    for watcher in watchers:
        watcher.wait_for("job")
        assert watcher.of("job")[0]["state"] == "queued"
        assert watcher.of("job")[0]["waiting_for"]
    job = train(client, job_id)
    for watcher in watchers:
        watcher.ended()
        assert watcher.headers["content-type"].startswith("text/event-stream")
        assert watcher.headers["cache-control"] == "no-store"
        assert watcher.ids == logged(client, job_id)
        assert watcher.of("log") == client.get(f"/v1/jobs/{job_id}/events").json()["data"]
        assert [event for event, *_ in watcher.events][-2:] == ["job", "end"]
        (end,) = watcher.of("end")
        assert end["state"] == job["state"] == "succeeded"
        assert end["verdict"] == client.get(f"/v1/jobs/{job_id}/report").json()["verdict"]


def test_the_curves_of_a_stream_are_those_of_the_trials(client: Client) -> None:
    job_id = post(client, **COMPARED)
    watcher = Watcher(client, job_id)
    watcher.wait_for("job")
    train(client, job_id)
    watcher.ended()
    told = watcher.of("metrics")
    assert [epoch for one in told for epoch in one["epochs"]] == [1, 2, 3, 4, 5, 6]
    trials = client.get(f"/v1/jobs/{job_id}/trials").json()["data"]
    for name in ("none", "dropout"):
        (first, second) = (
            client.get(f"/v1/jobs/{job_id}/metrics?trial={trial['id']}").json()["metrics"]
            for trial in trials
            if trial["name"] == name
        )
        for metric in ("objective", "train_loss", "validation_loss"):
            lines = [line for one in told for line in one["series"] if line["name"] == name]
            means = [value for line in lines for value in line["metrics"][metric]["mean"]]
            pairs = zip(first[metric], second[metric], strict=True)
            assert means == pytest.approx([(a + b) / 2 for a, b in pairs])


def test_of_many_configurations_the_best_and_the_mean_are_told(client: Client) -> None:
    values = [round(0.02 * step, 2) for step in range(20)]
    space = {"regularization.dropout.p": {"values": values}}
    job_id = post(client, search={"method": "grid", "space": space})
    watcher = Watcher(client, job_id)
    watcher.wait_for("job")
    train(client, job_id)
    watcher.ended()
    assert watcher.of("metrics")
    for told in watcher.of("metrics"):
        assert [line["name"] for line in told["series"]] == ["best", "mean"]
        assert {line["trials"] for line in told["series"]} == {20}
        best, mean = (line["metrics"]["validation_loss"]["mean"] for line in told["series"])
        assert all(low < middle for low, middle in zip(best, mean, strict=True))


def test_whoever_comes_back_misses_none_and_hears_none_twice(client: Client) -> None:
    job_id = post(client, **COMPARED)
    watcher = Watcher(client, job_id)
    watcher.wait_for("job")
    watcher.leave()
    seen = watcher.ids
    assert seen == logged(client, job_id)
    train(client, job_id)
    again = Watcher(client, job_id, last=seen[-1])
    again.ended()
    assert seen + again.ids == logged(client, job_id)
    assert len(again.ids) > 1
    assert client.services.feeds.watched == 0


def test_a_slow_watcher_is_cut_and_goes_on_by_its_last_event(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.live.feed.MOST_FRAMES", 2)
    job_id = post(client, **COMPARED)
    slow = Watcher(client, job_id, most=2)  # the greeting, and then it reads no further
    slow.wait_for("job")
    prompt = Watcher(client, job_id)
    train(client, job_id)
    prompt.ended()
    slow.go_on()
    slow.ended()
    assert not slow.of("end")
    again = Watcher(client, job_id, last=slow.ids[-1])
    again.ended()
    assert slow.ids + again.ids == logged(client, job_id)


def test_a_long_log_is_told_whole(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.live.feed.MOST_LOGGED", 2)
    monkeypatch.setattr("service.live.feeds.LINES", 2)
    job_id = post(client, **COMPARED)
    for _ in range(4):
        client.post(f"/v1/jobs/{job_id}/pause")
        client.post(f"/v1/jobs/{job_id}/resume")
    client.post(f"/v1/jobs/{job_id}/cancel")
    watcher = Watcher(client, job_id)
    watcher.ended()
    assert watcher.ids == logged(client, job_id)
    assert len(watcher.ids) > 10


def test_streams_end_when_the_job_is_deleted_and_when_the_service_stops(fresh: Client) -> None:
    going = Watcher(fresh, post(fresh))
    going.wait_for("job")
    deleted = post(fresh)
    fresh.post(f"/v1/jobs/{deleted}/cancel")
    fresh.delete(f"/v1/jobs/{deleted}")
    nobody = Watcher(fresh, deleted)
    nobody.ended()
    assert nobody.status == 404
    fresh.portal.call(fresh.app.begin_to_stop)
    going.ended()
    assert not going.of("end")


def test_a_page_of_the_log_is_answered_unless_a_stream_is_asked_for(client: Client) -> None:
    job_id = post(client)
    answer = client.get(f"/v1/jobs/{job_id}/events")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["data"][0]["type"] == "accepted"
    with client.services.database.read() as session:
        assert jobs.find_job(session, job_id).state == "queued"


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        (None, False),
        ("*/*", False),
        ("text/event-stream", True),
        ("text/event-stream;q=0.9, */*;q=0.1", True),
        ("application/json, text/event-stream", False),
        ("text/event-stream;q=0", False),
    ],
)
def test_the_header_accept_says_which(accept: str | None, streams: bool) -> None:
    assert wants_events(accept) is streams
