"""What is kept no longer is removed, and nothing else is, whenever this is interrupted."""

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sqlalchemy import update

from tests.rows import accept, claimed, good
from tests.waiting import until
from worker.errors import ConflictError, NotFoundError, UnavailableError
from worker.runtime.collector import Collector, Removal
from worker.settings import ServiceSettings
from worker.storage import deletion, events, fleets, jobs, models, progress
from worker.storage.artefacts import Artefacts, FileManifest
from worker.storage.database import Database
from worker.storage.fleets import Lease, ResultFile
from worker.storage.idempotency import Idempotency
from worker.storage.tables import Job
from worker.storage.types import utc_now

OLD = timedelta(days=2)


@pytest.fixture(params=["folder", "object store"])
def artefacts(request: pytest.FixtureRequest, settings: ServiceSettings) -> Iterator[Artefacts]:
    if request.param == "folder":
        yield Artefacts(settings.artefacts_url)
        return
    yield Artefacts("memory://artefacts/below")
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture
def collector(settings: ServiceSettings, database: Database, artefacts: Artefacts) -> Collector:
    return Collector(settings, database, artefacts)


class Made:
    """A job with a model, a checkpoint and a result, as trainers leave it."""

    def __init__(self, database: Database, artefacts: Artefacts, model: str | None = None) -> None:
        self.database, self.artefacts = database, artefacts
        with database.write() as session:
            job, (fleet,) = accept(session, model_name=model)
            self.lease: Lease = claimed(session, fleet.id)
        self.id = job.id
        self.folder = f"jobs/{job.id}/{fleet.id}"
        self.checkpoint = self.write("checkpoints")
        with database.write() as session:
            progress.save_checkpoint(
                session,
                self.lease,
                epoch=1,
                path=self.checkpoint.path,
                sha256=self.checkpoint.sha256,
                bytes=self.checkpoint.bytes,
            )

    def write(self, where: str) -> FileManifest:
        """Files that no row refers to, so far."""
        return self.artefacts.write(f"{self.folder}/{where}", {"file": b"12345"})

    def finish(self) -> "Made":
        self.result = self.write("result")
        file = ResultFile(self.result.file("file"), self.result.files["file"].sha256, 5)
        with self.database.write() as session:
            fleets.finish(session, self.lease, [good()], file)
        return self


def paths(artefacts: Artefacts) -> set[str]:
    return {folder.path for folder in artefacts.folders()}


def kinds(removed: list[Removal]) -> list[tuple[str, str]]:
    return [(one.kind, one.what) for one in removed]


def test_checkpoints_go_once_their_fleet_has_ended(
    collector: Collector, database: Database, artefacts: Artefacts
) -> None:
    made, other = (Made(database, artefacts) for _ in range(2))
    assert list(collector.collect()) == []
    made.finish()
    folder = f"{made.folder}/checkpoints"
    (planned,) = collector.collect(dry_run=True)
    assert (planned.kind, planned.what, planned.bytes) == ("checkpoints", folder, 5)
    assert paths(artefacts) == {made.checkpoint.path, made.result.path, other.checkpoint.path}
    assert list(collector.collect()) == [planned]
    assert paths(artefacts) == {made.result.path, other.checkpoint.path}
    assert list(collector.collect()) == []


def test_a_deleted_job_leaves_nothing_behind(
    collector: Collector, database: Database, artefacts: Artefacts
) -> None:
    made, other = (Made(database, artefacts).finish() for _ in range(2))
    with database.write() as session:
        deletion.delete_job(session, made.id)
    assert kinds(list(collector.collect(dry_run=True)))[0] == ("job", made.id)
    assert made.result.path in paths(artefacts)
    assert kinds(list(collector.collect()))[0] == ("job", made.id)
    assert paths(artefacts) == {other.result.path}
    with database.read() as session:
        assert session.get(Job, made.id) is None
        assert session.get(Job, other.id) is not None


def test_the_model_of_a_deleted_job_keeps_its_file(
    collector: Collector, database: Database, artefacts: Artefacts
) -> None:
    made = Made(database, artefacts, "credit").finish()
    waste = made.write("checkpoints")
    with database.write() as session:
        deletion.delete_job(session, made.id)
    list(collector.collect())
    assert waste.path not in paths(artefacts)
    assert paths(artefacts) == {made.result.path}
    assert list(collector.sweep()) == []
    with database.write() as session:
        version = models.resolve(session, "credit")
        assert artefacts.read(version.path, version.sha256) == b"12345"
        for folder in deletion.delete_version(session, "credit", 1):
            artefacts.delete(folder)
    assert paths(artefacts) == set()


def test_a_version_that_goes_with_its_job_leaves_its_file_to_it(
    collector: Collector,
    database: Database,
    artefacts: Artefacts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Made(database, artefacts, "credit").finish()
    with database.write() as session:
        deletion.delete_job(session, made.id)
    delete = Artefacts.delete

    def meanwhile(self: Artefacts, path: str) -> None:
        delete(self, path)
        monkeypatch.setattr(Artefacts, "delete", delete)
        with database.write() as session:
            assert deletion.delete_version(session, "credit", 1) == []

    monkeypatch.setattr(Artefacts, "delete", meanwhile)
    list(collector.collect())
    assert paths(artefacts) == set()


def test_what_was_interrupted_is_done_again(
    collector: Collector,
    database: Database,
    artefacts: Artefacts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deleted, spent = (Made(database, artefacts).finish() for _ in range(2))
    with database.write() as session:
        deletion.delete_job(session, deleted.id)
    delete = Artefacts.delete

    def failing(self: Artefacts, path: str) -> None:
        delete(self, path)
        raise UnavailableError("the store went away")

    # Each time one more folder is gone when it stops; rows go after their files.
    monkeypatch.setattr(Artefacts, "delete", failing)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            list(collector.collect())
        with database.read() as session:
            assert session.get(Job, deleted.id) is not None
    monkeypatch.setattr(Artefacts, "delete", delete)
    assert [kind for kind, _ in kinds(list(collector.collect()))] == ["job", "checkpoints"]
    assert paths(artefacts) == {spent.result.path}


def test_what_is_old_goes_by_the_settings(
    settings: ServiceSettings, database: Database, artefacts: Artefacts
) -> None:
    made, other = (Made(database, artefacts).finish() for _ in range(2))
    running = Made(database, artefacts)
    with database.write() as session:
        old = utc_now() - OLD
        session.execute(update(Job).where(Job.id != other.id).values(created_at=old))
        session.execute(update(Job).where(Job.id == made.id).values(finished_at=old))
        session.add(Idempotency(key="k", body_sha256="", job_id=other.id, created_at=old))

    def kept(**days: float) -> Collector:
        return Collector(settings.model_copy(update=days), database, artefacts)

    list(kept().collect(aged=False))
    assert list(kept().collect()) == []
    assert kinds(list(kept(keep_keys_days=1.0).collect())) == [("keys", "1 keys")]
    events_gone = list(kept(keep_events_days=1.0).collect())
    assert kinds(events_gone) == [("events", "logs of 1 jobs")]
    with database.read() as session:
        assert events.event_page(session, made.id).items == []
        assert events.event_page(session, other.id).items != []
    assert list(kept(keep_jobs_days=3.0).collect()) == []
    strict = kept(keep_jobs_days=1.0)
    assert kinds(list(strict.collect(dry_run=True))) == [("job", made.id)]
    assert kinds(list(strict.collect())) == [("job", made.id)]
    assert paths(artefacts) == {other.result.path, running.checkpoint.path}
    with database.read() as session:
        with pytest.raises(NotFoundError):
            jobs.find_job(session, made.id)
        assert jobs.find_job(session, running.id).state == "running"


def test_nothing_is_swept_of_work_that_has_not_ended(
    collector: Collector, database: Database, artefacts: Artefacts
) -> None:
    """Its files are written before its rows, and after an outage long before."""
    made = Made(database, artefacts)
    written = made.write("result")
    later = utc_now() + OLD
    assert list(collector.sweep(now=later)) == []
    assert written.path in paths(artefacts)
    made.finish()
    assert kinds(list(collector.sweep(dry_run=True))) == [("orphan", written.path)]
    (removed,) = collector.sweep()
    assert (removed.what, removed.bytes > 5) == (written.path, True)
    assert paths(artefacts) == {made.checkpoint.path, made.result.path}


def test_what_no_row_knows_is_swept_when_it_is_old(
    collector: Collector, database: Database, artefacts: Artefacts
) -> None:
    made = Made(database, artefacts).finish()
    uploaded = artefacts.write("datasets", {"table.parquet": b"1"})
    gone = artefacts.write("jobs/job_gone/flt_gone/result", {"file": b"1"})
    assert list(collector.sweep()) == []
    swept = list(collector.sweep(now=utc_now() + OLD))
    assert kinds(swept) == [("orphan", uploaded.path), ("orphan", gone.path)]
    assert paths(artefacts) == {made.checkpoint.path, made.result.path}


def test_the_store_of_another_database_is_not_emptied(
    collector: Collector, database: Database, artefacts: Artefacts
) -> None:
    foreign = artefacts.write("jobs/job_other/flt_other/result", {"file": b"1"})
    later = utc_now() + OLD
    with pytest.raises(ConflictError, match="belong together") as refused:
        list(collector.sweep(now=later))
    assert refused.value.code == "foreign_store"
    assert paths(artefacts) == {foreign.path}
    assert kinds(list(collector.sweep(now=later, force=True))) == [("orphan", foreign.path)]
    assert paths(artefacts) == set()


@pytest.mark.parametrize("artefacts", ["folder"], indirect=True)
def test_what_a_killed_writer_left_is_swept_with_the_folders_around_it(
    collector: Collector, database: Database, artefacts: Artefacts
) -> None:
    made = Made(database, artefacts).finish()
    root = artefacts.local_path("jobs")
    assert root is not None
    part = root / "job_gone" / "flt_gone" / "checkpoints" / f".{'a' * 32}.part"
    part.mkdir(parents=True)
    (part / "state.safetensors").write_bytes(b"123")
    long_ago = (utc_now() - OLD).timestamp()
    os.utime(part / "state.safetensors", (long_ago, long_ago))
    os.utime(part, (long_ago, long_ago))
    (root / "somebody's notes").mkdir()
    assert sum(one.bytes for one in collector.sweep()) == 3
    assert {path.name for path in root.iterdir()} == {made.id, "somebody's notes"}


@pytest.mark.parametrize("artefacts", ["folder"], indirect=True)
def test_it_collects_when_it_is_nudged(
    collector: Collector, database: Database, artefacts: Artefacts, settings: ServiceSettings
) -> None:
    made = Made(database, artefacts).finish()
    (Path(settings.state) / "worker.log").write_bytes(b"x" * (settings.log_bytes + 1))
    collector.start()
    try:
        until(lambda: paths(artefacts) == {made.result.path})
        until(lambda: (Path(settings.state) / "worker.log.1").exists())
        with database.write() as session:
            deletion.delete_job(session, made.id)
        collector.nudge()
        until(lambda: paths(artefacts) == set())
    finally:
        collector.stop()
    assert not any(thread.name == "collector" for thread in threading.enumerate())
