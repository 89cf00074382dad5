"""Whether the service says how it is."""

import pytest

from tests.api.client import Client
from worker.errors import UnavailableError


def test_a_running_service_is_alive_and_ready(client: Client) -> None:
    assert client.get("/livez").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready", "checks": {"database": "ok"}}
    assert client.get("/ping").status_code == 200


def test_without_its_database_it_is_alive_but_not_ready(
    fresh: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise UnavailableError("the database cannot be used now")

    monkeypatch.setattr(fresh.services.database, "read", refuse)
    assert fresh.get("/livez").status_code == 200
    for path in ("/readyz", "/ping", "/v1/jobs"):
        answer = fresh.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
