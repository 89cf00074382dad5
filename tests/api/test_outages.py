"""While the artefact store is at fault, requests that need it are refused for now; jobs say that
they wait.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.client import Client, running
from tests.api.work import ask, claimed, post, score, train
from tests.databases import KINDS
from worker.storage import fleets, jobs, waits

pytestmark = pytest.mark.database_kinds(*KINDS)

CSV = "x,y\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(40))
ROWS = [
    {
        "sepal length (cm)": 5.0,
        "sepal width (cm)": 3.0,
        "petal length (cm)": 1.0,
        "petal width (cm)": 0.2,
    }
]


INFER = {
    "inputs": [
        {"name": name, "shape": [1, 1], "datatype": "FP64", "data": [value]}
        for name, value in ROWS[0].items()
    ]
}


@pytest.fixture(scope="module")
def dataset(client: Client) -> str:
    made: str = client.upload(CSV, target="y").json()["id"]
    return made


@pytest.fixture(scope="module", autouse=True)
def unloaded(client: Client) -> None:
    """A model that is stored."""
    train(client, post(client, model="unloaded"))


@pytest.fixture
def gone(client: Client) -> Iterator[None]:
    """The store's folder is not where it was."""
    folder = Path(client.services.settings.artefacts_url)
    folder.rename(folder.with_name("elsewhere"))
    yield
    folder.with_name("elsewhere").rename(folder)


def assert_refused(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "artefacts_unavailable"
    assert answer.json()["detail"].startswith("artefact store: ")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/datasets/{dataset}/preview",
        "/v1/models/unloaded/export?format=safetensors",
    ],
)
def test_what_is_read_is_refused(client: Client, dataset: str, gone: None, path: str) -> None:
    client.services.tables.forget(dataset)
    assert_refused(client.get(path.format(dataset=dataset)))


def test_a_model_that_is_not_loaded_is_refused_and_answers_later(client: Client) -> None:
    folder = Path(client.services.settings.artefacts_url)
    folder.rename(folder.with_name("elsewhere"))
    try:
        with running(client.services.settings) as another:
            for path in ("/v1/models/unloaded/predict", "/v2/models/unloaded/infer"):
                answer = another.post(path, json={"instances": ROWS} if "v1" in path else INFER)
                assert answer.status_code == 503, answer.text
                assert answer.headers["retry-after"] == "1"
                assert answer.json()["code"] == "artefacts_unavailable"
            shutil.rmtree(folder, ignore_errors=True)  # another store, begun in its place
            folder.with_name("elsewhere").rename(folder)
            again = another.post("/v1/models/unloaded/predict", json={"instances": ROWS})
            assert again.status_code == 200, again.text
    finally:
        if folder.with_name("elsewhere").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_name("elsewhere").rename(folder)


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC], ids=errno.errorcode.__getitem__)
def test_an_upload_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("worker.storage.local_folders.os.fsync", fail)
        assert_refused(client.upload(CSV))
    assert client.upload(CSV).status_code == 201


def test_an_error_of_the_host_is_refused_too(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it comes from: here, where a result is read."""

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(jobs, "job_page", fail)
    answer = client.get("/v1/jobs")
    assert (answer.status_code, answer.json()["code"]) == (503, "host_unavailable")
    assert answer.json()["detail"] == "the host: too many open files"


def test_a_job_says_what_it_waits_for(client: Client) -> None:
    job_id = post(client)
    queued = client.get(f"/v1/jobs/{job_id}").json()["waiting_for"]
    listed = client.get("/v1/jobs").json()["data"][0]
    assert (listed["id"], listed["waiting_for"]) == (job_id, queued)
    assert queued == "a worker: none was seen so far"
    with client.services.database.write() as session:
        (fleet,) = jobs.fleets(session, job_id)
        lease = fleets.claim(session, fleet.id, owner="test")
        assert lease is not None
        waits.note(session, *fleets.hold(session, lease), "artefact store: read-only file system")
    shown = client.get(f"/v1/jobs/{job_id}").json()
    assert (shown["state"], shown["exact"]) == ("running", True)
    assert shown["waiting_for"] == "artefact store: read-only file system"
    assert client.get("/v1/jobs").json()["data"][0]["waiting_for"] == shown["waiting_for"]
    with client.services.database.write() as session:
        fleets.release(session, lease)
    assert client.get(f"/v1/jobs/{job_id}").json()["waiting_for"] == shown["waiting_for"]
    done = train(client, job_id)
    assert (done["state"], done["waiting_for"]) == ("succeeded", None)
    types = [event["type"] for event in client.get(f"/v1/jobs/{job_id}/events").json()["data"]]
    assert [kind for kind in types if kind in ("waiting", "going_on")] == ["waiting", "going_on"]


def test_a_prediction_says_what_it_waits_for(client: Client, dataset: str) -> None:
    train(client, post(client, model="letters", dataset=dataset))
    prediction = ask(client, model="letters", dataset=dataset)
    lease = claimed(client, prediction)
    with client.services.database.write() as session:
        waits.note(session, *fleets.hold(session, lease), "artefact store: timeout error")
    shown = client.get(f"/v1/predictions/{prediction}").json()
    assert shown["waiting_for"] == "artefact store: timeout error"
    assert score(client, prediction, lease)["waiting_for"] is None
