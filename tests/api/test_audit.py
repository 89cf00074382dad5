"""Who did what is written down, for whoever may read it; nothing changes it but its age."""

import ast
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.api.client import Client
from tests.api.keyed import asking_for_keys, bearer, key_of
from tests.databases import Databases
from tests.source import ROOT, files, tree
from worker.caller import Permission
from worker.settings import ServiceSettings
from worker.storage import audit, keys
from worker.storage.types import utc_now

CIRCLE = {"dataset": {"builtin": "circle"}}


@pytest.fixture
def client(database_kind: str, databases: Databases, tmp_path: Path) -> Iterator[Client]:
    with (
        databases.url(database_kind, tmp_path) as url,
        asking_for_keys(tmp_path / "state", url) as started,
    ):
        yield started


def lines(client: Client, key: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/v1/audit", params=query, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def test_what_changes_something_has_a_line_and_what_asks_has_none(client: Client) -> None:
    worker, boss = key_of(client, "a", Permission.TRAIN, Permission.READ), key_of(client, "a")
    posted = client.post("/v1/jobs", json=CIRCLE, headers=bearer(worker))
    job = posted.json()["id"]
    client.get(f"/v1/jobs/{job}", headers=bearer(worker))
    client.post("/v1/jobs/validate", json=CIRCLE, headers=bearer(worker))
    client.post(f"/v1/jobs/{job}/cancel", headers=bearer(boss))
    client.post("/v1/jobs", json={"dataset": {}}, headers=bearer(worker))
    client.delete("/v1/models/nobody", headers=bearer(worker))
    client.delete("/v1/models/nobody", headers=bearer(boss))
    client.post("/v1/jobs", json=CIRCLE)  # nobody: there is no tenant whose it would be
    found = lines(client, boss)
    assert [(line["action"], line["resource"], line["outcome"]) for line in found] == [
        ("create_job", job, "done"),
        ("cancel_job", job, "done"),
        ("create_job", None, "invalid_request"),
        ("delete_model", "nobody", "scope_missing"),
        ("delete_model", "nobody", "not_found"),
    ]
    by = [keys.key_id(key) for key in (worker, boss, worker, worker, boss)]
    assert [line["key_id"] for line in found] == by
    assert {line["tenant"] for line in found} == {"a"}
    assert found[0]["request_id"] == posted.headers["x-request-id"]
    assert lines(client, boss, after=found[2]["id"]) == found[3:]
    assert lines(client, key_of(client, "b")) == []
    assert client.get("/v1/audit", headers=bearer(worker)).status_code == 403


def test_it_is_exported_as_json_lines(tmp_path: Path) -> None:
    run = CliRunner()
    state = {"PARSIMONY_STATE": str(tmp_path / "state")}
    made = run.invoke(app, ["keys", "create", "--tenant", "acme", "--scopes", "read"], env=state)
    key = made.stdout.strip()
    identifier = keys.key_id(key)
    assert identifier is not None
    assert f"curl -H 'Authorization: Bearer {key}' http://127.0.0.1:8000/v1/jobs" in made.stderr
    assert run.invoke(app, ["keys", "revoke", identifier], env=state).exit_code == 0
    written = run.invoke(app, ["audit", "--tenant", "acme"], env=state).stdout.splitlines()
    found = [json.loads(line) for line in written]
    assert [(line["action"], line["resource"], line["key_id"]) for line in found] == [
        ("cli.keys.create", identifier, None),
        ("cli.keys.revoke", identifier, None),
    ]
    listed = run.invoke(app, ["keys", "list"], env=state).stdout
    assert "revoked" in listed
    secret = key.rpartition("_")[2]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert secret not in listed
    assert secret not in "".join(written)
    assert secret.encode() not in kept
    wrong = run.invoke(app, ["keys", "create", "--scopes", "root"], env=state)
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "read, train, predict, admin" in wrong.stderr


def test_lines_go_by_age_alone(client: Client) -> None:
    boss = key_of(client, "a")
    client.post("/v1/jobs", json=CIRCLE, headers=bearer(boss))
    assert len(lines(client, boss)) == 1
    collector = client.services.collector
    days = client.services.settings.keep_audit_days
    for after, kept in ((days - 1, 1), (days + 1, 0)):
        removed = list(collector.collect(now=utc_now() + timedelta(days=after)))
        assert len(lines(client, boss)) == kept
    assert ("audit", "1 lines") in [(removal.kind, removal.what) for removal in removed]


def test_no_code_changes_a_line() -> None:
    """One module names the table, and it has neither an update nor an assignment to a row."""
    naming = {
        str(path.relative_to(ROOT))
        for path in files("service", "worker")
        if "AuditEntry" in path.read_text(encoding="utf-8")
    }
    assert naming == {"worker/storage/audit.py"}
    parsed = tree(ROOT / "worker/storage/audit.py")
    for node in ast.walk(parsed):
        assert not (isinstance(node, ast.Name) and node.id in ("update", "setattr"))
        if isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            assert not [one for one in targets if isinstance(one, ast.Attribute)]


def test_the_documentation_can_be_switched_off(client: Client, tmp_path: Path) -> None:
    for page in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(page).status_code == 200  # a page needs no key
    settings = ServiceSettings(state=tmp_path / "other", docs=False)
    from tests.api.client import running

    with running(settings) as quiet:
        for page in ("/docs", "/redoc", "/openapi.json", "/static/docs/swagger.html"):
            assert quiet.get(page).status_code == 404
        assert quiet.get("/v1/jobs").status_code == 200


def test_metrics_may_be_open_and_nothing_else_is(
    databases: Databases, tmp_path: Path, database_kind: str
) -> None:
    with (
        databases.url(database_kind, tmp_path) as url,
        asking_for_keys(tmp_path / "open", url, open_metrics=True) as client,
    ):
        assert client.get("/metrics").status_code == 200
        for path in ("/metrics/", "/v1/system", "/v1/jobs", "/metrics/../v1/jobs"):
            assert client.get(path).status_code in (401, 404), path


def test_a_line_that_cannot_be_written_keeps_no_answer(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any, **options: Any) -> None:
        raise OSError("no place")

    monkeypatch.setattr(audit, "add_line", broken)
    answer = client.post("/v1/jobs", json=CIRCLE, headers=bearer(key_of(client, "a")))
    assert answer.status_code == 202
    assert any("it could not be recorded: no place" in line for line in caplog.messages)
