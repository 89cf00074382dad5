"""Copies of an installation, taken while it answers, and what is started from them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.api.client import Client, running
from tests.api.work import post, train
from worker.errors import ConflictError
from worker.settings import ServiceSettings
from worker.storage import backup, fleets, jobs, progress
from worker.storage.artefacts import ArtefactError
from worker.storage.backup import BackupError, Copied

ASKED = {"instances": [[0.1, 0.2], [0.9, -0.4]]}
CSV = "a,b\n" + "".join(f"{n},{n % 2}\n" for n in range(40))


@pytest.fixture
def here(tmp_path: Path) -> Any:
    with running(ServiceSettings(state=tmp_path / "state", lease_seconds=300.0)) as client:
        yield client


def checkpointed(client: Client, job_id: str, epoch: int) -> str:
    """Write a checkpoint of a job's fleet, which is claimed for it; its folder."""
    with client.services.database.write() as session:
        (fleet,) = jobs.fleets(session, job_id)
        lease = fleets.claim(session, fleet.id, owner="test")
        if lease is None:
            lease = fleets.Lease(fleet.id, job_id, fleet.token)
        folder = f"jobs/{job_id}/{fleet.id}/checkpoints"
        written = client.services.artefacts.write(folder, {"state.json": b"%d" % epoch})
        for spare in progress.save_checkpoint(
            session, lease, epoch=epoch, path=written.path, sha256=written.sha256, bytes=1
        ):
            client.services.artefacts.delete(spare)
    return written.path


def copied(client: Client, folder: Path) -> Copied:
    return backup.create(client.services.settings, folder, release="1")


@pytest.mark.slow
def test_a_service_on_the_copy_answers_as_the_one_that_was_copied(
    here: Client, tmp_path: Path
) -> None:
    assert here.upload(CSV, name="mine", target="b").status_code == 201
    trained = train(here, post(here, dataset={"builtin": "circle"}, model="circle"))
    waiting = post(here)
    checkpoint = checkpointed(here, waiting, 1)
    before = here.post("/v1/models/circle/predict", json=ASKED).json()
    made = copied(here, tmp_path / "copy")
    post(here)  # is not in the copy
    assert made.left_out == []
    restored = backup.restore(tmp_path / "copy", tmp_path / "new")
    assert (restored.files, restored.bytes) == (made.files, made.bytes)
    assert (tmp_path / "new" / "artefacts" / checkpoint / "state.json").read_bytes() == b"1"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    with running(ServiceSettings(state=tmp_path / "new")) as there:
        assert there.post("/v1/models/circle/predict", json=ASKED).json() == before
        found = {job["id"] for job in there.get("/v1/jobs").json()["data"]}
        assert found == {trained["id"], waiting}
        (dataset,) = there.get("/v1/datasets").json()["data"]
        preview = there.get(f"/v1/datasets/{dataset['id']}/preview")
        assert preview.status_code == 200


def test_what_goes_while_it_is_copied_is_no_fault(
    here: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints are replaced, and a data set is deleted, after the database was copied."""
    job_id = post(here)
    first = checkpointed(here, job_id, 1)
    dataset = here.upload(CSV, name="mine", target="b").json()["id"]

    def busy() -> None:
        here.delete(f"/v1/datasets/{dataset}")
        for epoch in (2, 3):
            checkpointed(here, job_id, epoch)

    after_copies(monkeypatch, [busy])
    made = copied(here, tmp_path / "copy")
    assert made.left_out == []
    assert not (tmp_path / "copy" / "artefacts" / first).exists()
    files = orjson.loads((tmp_path / "copy" / "manifest.json").read_bytes())["files"]
    assert not [path for path in files if dataset in path]
    assert len([path for path in files if path.endswith("state.json")]) == 2
    backup.restore(tmp_path / "copy", tmp_path / "new")


def test_checkpoints_that_never_stay_are_left_out(
    here: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = post(here)
    checkpointed(here, job_id, 1)
    epochs = iter(range(2, 100))

    def busy() -> None:
        for _ in range(2):
            checkpointed(here, job_id, next(epochs))

    after_copies(monkeypatch, [busy] * backup.ROUNDS)
    made = copied(here, tmp_path / "copy")
    assert made.left_out != []
    assert all("checkpoints" in path for path in made.left_out)
    backup.restore(tmp_path / "copy", tmp_path / "new")


def test_what_is_being_deleted_is_not_missed(here: Client, tmp_path: Path) -> None:
    """Its files go before its rows, and the collector may not have come to these."""
    kept = train(here, post(here, model="flowers"))["id"]
    gone = train(here, post(here))["id"]
    here.services.collector.stop()
    assert here.delete(f"/v1/jobs/{gone}").status_code == 204
    shutil.rmtree(tmp_path / "state" / "artefacts" / "jobs" / gone, ignore_errors=True)
    assert copied(here, tmp_path / "copy").left_out == []
    files = orjson.loads((tmp_path / "copy" / "manifest.json").read_bytes())["files"]
    assert [path for path in files if kept in path and path.endswith(".safetensors")]
    assert not [path for path in files if gone in path]


def after_copies(monkeypatch: pytest.MonkeyPatch, events: list[Callable[[], None]]) -> None:
    """Let something happen after each copy of the database."""
    copy, waiting = backup._copy_database, iter(events)

    def then(database: Path, target: Path) -> None:
        copy(database, target)
        for event in waiting:
            event()
            break

    monkeypatch.setattr(backup, "_copy_database", then)


def test_a_damaged_or_missing_file_is_not_copied(here: Client, tmp_path: Path) -> None:
    train(here, post(here, model="flowers"))
    (result,) = (tmp_path / "state" / "artefacts" / "jobs").rglob("*.safetensors")
    content = result.read_bytes()
    result.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ArtefactError, match=r"\.safetensors is damaged"):
        copied(here, tmp_path / "one")
    result.unlink()
    with pytest.raises(ArtefactError, match="is missing"):
        copied(here, tmp_path / "two")
    with pytest.raises(BackupError, match="one that was interrupted"):
        backup.restore(tmp_path / "two", tmp_path / "new")


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_copy_is_not_restored(here: Client, tmp_path: Path, damage: str) -> None:
    train(here, post(here, model="flowers"))
    copied(here, tmp_path / "copy")
    (result,) = (tmp_path / "copy").rglob("*.safetensors")
    content = result.read_bytes()
    result.chmod(0o600)
    result.write_bytes({"flip": content[:-1] + b"!", "cut": content[:-1], "remove": b""}[damage])
    if damage == "remove":
        result.unlink()
    with pytest.raises(BackupError, match="is missing, or is not what was copied"):
        backup.restore(tmp_path / "copy", tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "state"]


def test_no_file_outside_is_written(here: Client, tmp_path: Path) -> None:
    copied(here, tmp_path / "copy")
    manifest = tmp_path / "copy" / "manifest.json"
    content = orjson.loads(manifest.read_bytes())
    content["files"]["../evil"] = {"bytes": 0, "sha256": ""}
    manifest.write_bytes(orjson.dumps(content))
    with pytest.raises(BackupError, match=r"is damaged.*evil.* is no path"):
        backup.restore(tmp_path / "copy", tmp_path / "new")


def test_folders_that_hold_something_stay_as_they_are(here: Client, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ConflictError, match="is not empty"):
        copied(here, tmp_path / "full")
    copied(here, tmp_path / "copy")
    with pytest.raises(ConflictError, match="is not empty"):
        backup.restore(tmp_path / "copy", tmp_path / "full")


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ({"database_url": "postgresql+psycopg://db/parsimony"}, "pg_dump"),
        ({"artefacts_url": "s3://bucket/prefix"}, "versions of its objects"),
        ({}, "--state"),
    ],
)
def test_what_it_cannot_copy_it_refuses_with_advice(
    tmp_path: Path, url: dict[str, str], advice: str
) -> None:
    with pytest.raises(BackupError, match=advice):
        backup.create(ServiceSettings(state=tmp_path, **url), tmp_path / "copy", release="1")
    assert list(tmp_path.iterdir()) == []


def test_the_commands(here: Client, tmp_path: Path) -> None:
    state, copy, new = tmp_path / "state", tmp_path / "copy", tmp_path / "new"
    run = CliRunner().invoke
    taken = run(app, ["backup", str(copy), "--state", str(state)])
    assert taken.exit_code == 0, taken.output
    assert "1 files" in taken.output
    again = run(app, ["backup", str(copy), "--state", str(state)])
    assert (again.exit_code, "is not empty" in again.output) == (1, True)
    restored = run(app, ["restore", str(copy), "--state", str(new)])
    assert restored.exit_code == 0, restored.output
    assert f"parsimony up --state {new}" in restored.output
    shutil.rmtree(copy)
    lost = run(app, ["restore", str(copy), "--state", str(tmp_path / "newer")])
    assert (lost.exit_code, "no manifest.json" in lost.output) == (1, True)
