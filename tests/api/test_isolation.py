"""Every route, by the table of routes: what is another tenant's is as what is not, and no route is
answered without a key that is good for it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.operations import Operation
from service.routes import operations
from service.security.callers import PUBLIC
from tests.api.client import Client
from tests.api.keyed import asking_for_keys, bearer, key_of
from tests.api.work import ask, post, score, train
from tests.databases import KINDS, Databases
from tests.waiting import until
from worker.caller import Permission
from worker.storage import keys, webhooks
from worker.storage.types import utc_now

pytestmark = pytest.mark.database_kinds(*KINDS, others_are_slow=True)

BODIES: dict[str, Any] = {
    "set_alias": {"version": 1},
    "predict": {"instances": [[5.1, 3.5, 1.4, 0.2]]},
    "v2_infer": {
        "inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}]
    },
    "create_webhook": {"url": "https://hooks.example.com/"},
    "create_job": {"dataset": {"builtin": "circle"}},
    "validate_job": {"dataset": {"builtin": "circle"}},
    "create_prediction": {"dataset": {"builtin": "iris"}, "model": "nobody"},
    "invocations": {"instances": [[5.1, 3.5, 1.4, 0.2]]},
}
BODIES["v2_infer_version"] = BODIES["v2_infer"]
"""What those operations are sent that need a body."""


@dataclass(frozen=True)
class Owned:
    """Things of the first tenant, and names of the same length that nobody has."""

    dataset: str
    job: str
    prediction: str
    model: str
    trial: str
    webhook: str

    def at(self, path: str) -> str:
        """A path with the ids of its kind of things."""
        kind = next(
            (value for start, value in self._kinds().items() if path.startswith(start)), self.model
        )
        path = path.replace("{id}", kind).replace("{name}", self.model)
        return path.replace("{version}", "1").replace("{alias}", "production")

    def _kinds(self) -> dict[str, str]:
        return {
            "/v1/datasets": self.dataset,
            "/v1/jobs": self.job,
            "/v1/predictions": self.prediction,
            "/v1/webhooks": self.webhook,
        }

    def hidden(self, text: str) -> str:
        """A text without the ids, since an answer may say which one it was asked for."""
        for value in (*self._kinds().values(), self.model, self.trial):
            text = text.replace(value, "…")
        return text


NOBODY = Owned(
    "ds_" + "0" * 24,
    "job_" + "0" * 24,
    "pred_" + "0" * 24,
    "nobody",
    "trl_" + "0" * 24,
    "whk_" + "0" * 24,
)


@pytest.fixture(scope="module")
def client(
    database_kind: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("keyed")
    with (
        databases.url(database_kind, folder) as url,
        asking_for_keys(folder, url, log_level="debug") as started,
    ):
        yield started


@pytest.fixture(scope="module")
def owned(client: Client) -> Owned:
    """What the tenant `a` has: one of everything."""
    client.http.headers.update(bearer(key_of(client, "a")))
    try:
        dataset = client.upload("x,y\n" + "1,a\n2,b\n" * 20, target="y").json()["id"]
        job = train(client, post(client, model="iris_a"))
        client.put("/v1/models/iris_a/aliases/production", json={"version": 1})
        prediction = ask(client, dataset={"builtin": "iris"}, model="iris_a")
        assert score(client, prediction)["state"] == "succeeded"
        trial = job["best"]["trial"]
        with client.services.database.write() as session:
            webhook = webhooks.add_webhook(
                session, url="https://hooks.example.com/", events=webhooks.EVENTS, tenant="a"
            ).id
        return Owned(dataset, job["id"], prediction, "iris_a", trial, webhook)
    finally:
        del client.http.headers["authorization"]


@pytest.fixture(scope="module")
def other(client: Client) -> dict[str, str]:
    """A key of another tenant, with all scopes."""
    return bearer(key_of(client, "b"))


def send(client: Client, route: Operation, path: str, headers: dict[str, str]) -> httpx.Response:
    (method,) = route.methods
    options: dict[str, Any] = {}
    if route.operation_id == "upload_dataset":
        options["files"] = {"file": ("data.csv", b"x,y\n1,a\n2,b\n")}
    elif route.operation_id in BODIES:
        options["json"] = BODIES[route.operation_id]
    return client.request(method, path, headers=headers, **options)


def told(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """An answer without what each has of its own."""
    names = ("content-type", "cache-control", "www-authenticate", "retry-after", "allow")
    return (
        answer.status_code,
        answer.text,
        {name: answer.headers[name] for name in names if name in answer.headers},
    )


def test_what_is_anothers_is_as_what_is_not(
    client: Client, owned: Owned, other: dict[str, str]
) -> None:
    asked = 0
    for route in operations():
        if "{" not in route.path or route.path.startswith("/v1/techniques"):
            continue
        asked += 1
        foreign = send(client, route, owned.at(route.path), other)
        unknown = send(client, route, NOBODY.at(route.path), other)
        status, text, headers = told(unknown)
        assert status == 404, (route.operation_id, text)
        found, said, sent = told(foreign)
        assert (found, owned.hidden(said), sent) == (status, NOBODY.hidden(text), headers), (
            route.operation_id
        )
    assert asked > 45


def test_what_is_anothers_is_there_for_its_owner(client: Client, owned: Owned) -> None:
    """The paths above are right: with the owner's key those that read answer."""
    mine = bearer(key_of(client, "a", Permission.READ))
    for route in operations():
        if "{" in route.path and route.methods == {"GET"} and "techniques" not in route.path:
            answer = client.get(owned.at(route.path), headers=mine)
            # There are no coefficients of a network that is not linear, and no stored checkpoints.
            assert answer.status_code in (200, 409), (route.operation_id, answer.text)


def test_bodies_and_cursors_that_name_what_is_anothers(
    client: Client, owned: Owned, other: dict[str, str]
) -> None:
    def both(method: str, path: str, body: Any = None) -> None:
        answers = []
        for things in (owned, NOBODY):
            text = repr(body)
            for name in ("dataset", "job", "prediction", "model", "trial", "webhook"):
                text = text.replace(f"<{name}>", getattr(things, name))
            here = path
            for name in ("dataset", "job", "prediction", "model", "trial", "webhook"):
                here = here.replace(f"<{name}>", getattr(things, name))
            options = {} if body is None else {"json": eval(text)}
            status, said, _ = told(client.request(method, here, headers=other, **options))
            answers.append((status, things.hidden(said)))
        assert answers[0] == answers[1], (path, answers)
        assert 400 <= answers[0][0] < 500, answers

    both("POST", "/v1/jobs", {"dataset": "<dataset>", "target": "y"})
    both("POST", "/v1/jobs", {"dataset": {"builtin": "circle"}, "webhook": "<webhook>"})
    both("POST", "/v1/jobs/validate", {"dataset": "<dataset>", "target": "y"})
    both("POST", "/v1/predictions", {"dataset": {"builtin": "iris"}, "model": "<model>"})
    both("GET", "/v1/jobs?after=<job>")
    both("GET", "/v1/datasets?after=<dataset>")
    both("GET", "/v1/predictions?after=<prediction>")
    with client.services.database.read() as session:
        from worker.storage import models

        model_id = models.find_model(session, "iris_a", tenant="a").id
    foreign = client.get(f"/v1/models?after={model_id}", headers=other)
    unknown = client.get(f"/v1/models?after=mdl_{'0' * 24}", headers=other)
    assert re.sub("mdl_[0-9a-f]+", "", foreign.text) == re.sub("mdl_[0-9a-f]+", "", unknown.text)


def test_lists_hold_the_callers_own_and_nothing_else(client: Client, owned: Owned) -> None:
    other = bearer(key_of(client, "d"))  # who has not asked for anything
    secrets = (
        *(owned.dataset, owned.job, owned.prediction, owned.model, owned.trial, owned.webhook),
    )
    for route in operations():
        if "{" in route.path or route.methods != {"GET"}:
            continue
        answer = client.get(route.path, headers=other)
        assert not [secret for secret in secrets if secret in answer.text], route.operation_id
    index = client.post("/v2/repository/index", json={}, headers=other)
    assert index.json() == []


def test_names_are_a_tenants_own(client: Client, owned: Owned) -> None:
    """The same name of a model, and the same idempotency key, in two tenants: two things."""
    second = bearer(key_of(client, "c"))
    client.http.headers.update(second)
    try:
        job = train(client, post(client, model=owned.model, training={"epochs": 1}))
        assert job["model"] == {"name": owned.model, "version": 1}
        mine = client.get(f"/v1/models/{owned.model}/certificate").json()
        rows = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
        ours = client.post(f"/v1/models/{owned.model}/predict", json=rows)
        key = {"Idempotency-Key": "same"}
        body = {"dataset": {"builtin": "circle"}}
        posted = client.post("/v1/jobs", json=body, headers=key).json()["id"]
    finally:
        del client.http.headers["authorization"]
    first = bearer(key_of(client, "a"))
    theirs = client.post(f"/v1/models/{owned.model}/predict", json=rows, headers=first)
    assert mine["passed"] is True
    assert ours.status_code == theirs.status_code == 200
    assert ours.json()["predictions"] != theirs.json()["predictions"]
    again = client.post("/v1/jobs", json=body, headers={**first, **key})
    assert again.status_code == 202
    assert again.json()["id"] != posted
    assert "Idempotent-Replayed" not in again.headers


def test_no_route_is_answered_without_a_key_that_is_good_for_it(
    client: Client, owned: Owned
) -> None:
    expired = key_of(client, "a", expires_at=utc_now() - timedelta(seconds=1))
    revoked = key_of(client, "a")
    good = key_of(client, "a")
    with client.services.database.write() as session:
        keys.mark_revoked(session, keys.key_id(revoked) or "")
    client.portal.call(client.services.gate.ring.refresh)
    wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
    refused = {
        "none": {},
        "another scheme": {"Authorization": "Basic YTpi"},
        "no key": bearer("pk_"),
        "unknown": bearer(keys.new_text()),
        "wrong": bearer(wrong),
        "expired": bearer(expired),
        "revoked": bearer(revoked),
    }
    for route in operations():
        path = owned.at(route.path)
        if route.operation_id in PUBLIC:
            assert send(client, route, path, {}).status_code in (200, 503)
            continue
        said = {why: told(send(client, route, path, headers)) for why, headers in refused.items()}
        status, text, headers = said["none"]
        assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="parsimony"')
        assert headers["content-type"].startswith("application/problem+json")
        assert '"code":"unauthorized"' in text
        assert not {why for why, one in said.items() if one != said["none"]}, route.operation_id
        assert ('"error":' in text) == route.path.startswith("/v2")
        assert route.needs is not None
        under = key_of(client, "a", *(set(Permission) - {route.needs}))
        answer = send(client, route, path, bearer(under))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        assert f'scope="{route.needs}"' in answer.headers["www-authenticate"]


@pytest.mark.slow
def test_no_key_is_kept_or_said(
    client: Client, owned: Owned, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Neither in what is stored, nor in what is logged, nor in any answer. (`key_scan` looks for
    the keys of all tests; here all is logged that can be.)
    """
    made = [key_of(client, "a") for _ in range(3)]
    with caplog.at_level(0):
        answers = [
            send(client, route, owned.at(route.path), bearer(key)).text
            for key in made
            for route in operations()
            if route.methods == {"GET"}
        ]
        wrong = [key[:-8] + "00000000" for key in made]
        answers += [client.get("/v1/jobs", headers=bearer(key)).text for key in wrong]
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "/v1/jobs" in logged
    stored = b"".join(
        path.read_bytes()
        for path in client.services.settings.state.rglob("*")
        if path.is_file() and not path.is_socket()
    )
    with client.services.database.read() as session:
        rows = str([vars(row) for row in keys.all_keys(session)])
    for key in (*made, *wrong):
        secret = key.rpartition("_")[2]
        assert secret not in logged
        assert secret.encode() not in stored
        assert secret not in rows
        assert not [answer for answer in answers if secret in answer]


def test_why_a_part_has_failed_is_told_to_whoever_has_a_key(client: Client) -> None:
    """A reason may name hosts and paths; nobody works here, so that one part has failed."""
    until(lambda: client.get("/readyz").json()["failed"])
    mine = bearer(key_of(client, "a"))
    for path in ("/readyz", "/ping", "/health"):
        assert client.get(path).json()["parts"]["workers"]["reason"] is None
        assert client.get(path, headers=mine).json()["parts"]["workers"]["reason"]
