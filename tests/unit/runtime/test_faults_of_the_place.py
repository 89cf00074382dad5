"""Whatever fails around a training, the job waits and ends as it would have, uncounted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.databases import KINDS, Databases
from tests.fleets import fleet
from tests.rows import claimed
from tests.unit.runtime.work import accepted
from worker.data import load_builtin
from worker.errors import UnavailableError
from worker.runtime.patience import Patience
from worker.runtime.standby import CANCEL, DRAIN, Channel
from worker.runtime.trainer import _train
from worker.settings import ServiceSettings
from worker.spec import Builtin
from worker.storage import datasets, events, fleets, jobs, queries
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.tables import Checkpoint, Fleet
from worker.training import FleetRun
from worker.training.state import META, dump_state

JOB: dict[str, Any] = {
    "training": {"epochs": 4, "batch_size": 100},
    "regularization": {"dropout": {"p": 0.3}, "batch_norm": {}},
}


# What a checkpoint holds is the same on both.
ON_BOTH = pytest.mark.parametrize("database", KINDS, indirect=True)


@pytest.fixture
def database(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path
) -> Iterator[Database]:
    with databases.new(getattr(request, "param", KINDS[0]), tmp_path) as database:
        yield database


class Store(Artefacts):
    """Fails as often as it is told, before it does what it is asked."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.failures = 0
        self.failed = 0
        self.only: Callable[[str], bool] = lambda _: True

    def _maybe(self, path: str) -> None:
        if self.failures and self.only(path):
            self.failures -= 1
            self.failed += 1
            raise UnavailableError("artefact store: read-only file system")

    def write(self, folder: str, files: Any) -> Any:
        self._maybe(folder)
        return super().write(folder, files)

    def read(self, path: str, sha256: str | None = None) -> bytes:
        self._maybe(path)
        return super().read(path, sha256)


class Place:
    """Trains what is queued here, with a store that may fail."""

    def __init__(self, settings: ServiceSettings, database: Database, channel: Channel) -> None:
        self.settings = settings.model_copy(
            update={"checkpoint_seconds": 0.0, "threads": 1, "device": "cpu"}
        )
        self.database, self.channel = database, channel
        self.store = Store(settings.artefacts_url)
        self.sleep: Callable[[float], None] = lambda _: None

    def train(self, job_id: str) -> str:
        """One attempt."""
        with self.database.write() as session:
            (row,) = jobs.fleets(session, job_id)
            row.not_before = None
            session.flush()
            lease = claimed(session, row.id)
        patience = Patience(self.channel, self.sleep)
        return _train(self.settings, self.database, self.store, lease, self.channel, patience)

    def fleet(self, job_id: str) -> Fleet:
        with self.database.read() as session:
            return jobs.fleets(session, job_id)[0]

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        with self.database.read() as session:
            return jobs.checkpoints(session, job_id)

    def events(self, job_id: str) -> list[str]:
        with self.database.read() as session:
            return [event.type for event in events.event_page(session, job_id).items]


@pytest.fixture
def place(settings: ServiceSettings, database: Database, channel: Channel) -> Place:
    return Place(settings, database, channel)


@pytest.fixture
def undisturbed(place: Place) -> str | None:
    """Hash of the result without faults."""
    job_id = accepted(place.settings, place.database, **JOB)
    assert place.train(job_id) == "succeeded"
    return place.fleet(job_id).result_sha256


@ON_BOTH
def test_a_store_that_fails_a_hundred_times_changes_nothing(
    place: Place, undisturbed: str | None
) -> None:
    job_id = accepted(place.settings, place.database, **JOB)
    place.store.failures = 100
    assert place.train(job_id) == "succeeded"
    assert place.store.failed == 100
    row = place.fleet(job_id)
    assert row.result_sha256 == undisturbed
    assert (row.attempt, row.place_faults, row.waiting_for) == (1, 0, None)
    # The first failed write of a checkpoint does not hold the training up; later ones come late.
    with place.database.read() as session:
        assert [epoch for epoch, _ in queries.fleet_epochs(session, row.id)] == [1, 2, 3, 4]


def test_data_that_cannot_be_read_are_waited_for(place: Place) -> None:
    table, target = load_builtin(Builtin(builtin="wine"))
    written = place.store.write("datasets", {"table": table.to_parquet()})
    with place.database.write() as session:
        dataset = datasets.add_dataset(
            session,
            name="wine",
            target=target,
            rows=table.rows,
            columns=[],
            format="parquet",
            bytes=1,
            sha256=written.files["table"].sha256,
            path=written.file("table"),
        )
    job_id = accepted(place.settings, place.database, dataset=dataset.id)
    place.store.failures = 20
    assert place.train(job_id) == "succeeded"
    assert place.store.failed == 20


def test_a_checkpoint_that_cannot_be_written_does_not_hold_the_training_up(
    place: Place, undisturbed: str | None
) -> None:
    job_id = accepted(place.settings, place.database, **JOB)
    place.store.failures = 10**9
    place.store.only = lambda path: "checkpoints" in path
    slept: list[float] = []
    place.sleep = slept.append
    assert place.train(job_id) == "succeeded"
    assert (slept, place.checkpoints(job_id)) == ([], [])
    assert place.fleet(job_id).result_sha256 == undisturbed


def stopping(place: Place, reason: str) -> None:
    def sleep(_: float) -> None:
        place.channel.stop_reason = reason

    place.sleep = sleep


@pytest.mark.parametrize("only", ["result", ""])
def test_a_worker_that_stops_gives_back_what_waits(
    place: Place, undisturbed: str | None, only: str
) -> None:
    """With a checkpoint if one can be written, else without."""
    job_id = accepted(place.settings, place.database, **JOB)
    place.store.failures = 10**9
    place.store.only = lambda path: only in path
    stopping(place, DRAIN)
    assert place.train(job_id) == "queued"
    row = place.fleet(job_id)
    assert (row.stalled_attempts, row.place_faults) == (0, 0)
    assert bool(place.checkpoints(job_id)) == bool(only)
    place.channel.stop_reason = None
    place.store.failures = 0
    assert place.train(job_id) == "succeeded"
    assert place.fleet(job_id).result_sha256 == undisturbed


@ON_BOTH
def test_a_cancellation_is_heard_while_it_waits(place: Place) -> None:
    job_id = accepted(place.settings, place.database, **JOB)
    place.store.failures = 10**9

    def sleep(_: float) -> None:
        with place.database.write() as session:
            jobs.request_cancel(session, job_id)
        place.channel.stop_reason = CANCEL

    place.sleep = sleep
    assert place.train(job_id) == "cancelled"
    with place.database.read() as session:
        assert jobs.find_job(session, job_id).state == "cancelled"


@ON_BOTH
def test_a_database_that_is_gone_for_a_while_is_waited_for(
    place: Place, undisturbed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction fails twice: once before it is made, once when it is, unheard."""
    job_id = accepted(place.settings, place.database, **JOB)
    with place.database.write() as session:
        (row,) = jobs.fleets(session, job_id)
        lease = claimed(session, row.id)
    whole = Database.write
    turns = {"calls": 0}

    @contextmanager
    def write(self: Database) -> Iterator[Session]:
        turns["calls"] += 1
        if turns["calls"] % 3 == 1:
            raise UnavailableError("the database cannot be used now (gone); try again")
        with whole(self) as session:
            yield session
        if turns["calls"] % 3 == 2 and turns["calls"] < 20:
            raise UnavailableError("the database cannot be used now (gone); try again")

    monkeypatch.setattr(Database, "write", write)
    patience = Patience(place.channel, lambda _: None)
    try:
        outcome = _train(
            place.settings, place.database, place.store, lease, place.channel, patience
        )
    except fleets.StaleToken:
        outcome = "stale"  # it had ended, and the answer was lost
    monkeypatch.undo()
    assert outcome in ("succeeded", "stale")
    ended = place.fleet(job_id)
    assert (ended.state, ended.result_sha256) == ("succeeded", undisturbed)
    with place.database.read() as session:
        assert [epoch for epoch, _ in queries.fleet_epochs(session, ended.id)] == [1, 2, 3, 4]


@ON_BOTH
def test_transactions_that_collide_at_the_end_are_made_again(
    place: Place, undisturbed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of two jobs that are the first to make a version of one model."""
    whole = fleets.finish
    collisions = iter([True, True, False])

    def finish(session: Session, *args: Any, **more: Any) -> bool:
        ended = whole(session, *args, **more)
        if next(collisions):
            raise IntegrityError("INSERT INTO model", {}, Exception("unique"))
        return ended

    monkeypatch.setattr(fleets, "finish", finish)
    job_id = accepted(place.settings, place.database, **JOB)
    assert place.train(job_id) == "succeeded"
    assert place.fleet(job_id).result_sha256 == undisturbed


# Checkpoints that cannot be taken over.


def interrupted(place: Place, monkeypatch: pytest.MonkeyPatch, after: int) -> str:
    """A job whose worker stopped after so many epochs, each with a checkpoint."""
    job_id = accepted(place.settings, place.database, **JOB)
    whole = FleetRun.epochs

    def epochs(self: FleetRun, *args: Any, **kwargs: Any) -> Iterator[Any]:
        for report in whole(self, *args, **kwargs):
            yield report
            if report.epoch == after:
                place.channel.stop_reason = DRAIN

    with monkeypatch.context() as patch:
        patch.setattr(FleetRun, "epochs", epochs)
        assert place.train(job_id) == "queued"
    place.channel.stop_reason = None
    return job_id


def rewrite(place: Place, checkpoint: Checkpoint, change: Callable[[bytes], bytes]) -> None:
    """Write another ``state.json`` as if it had been meant: whole, with its hash."""
    files = place.store.load(checkpoint.path, checkpoint.sha256)
    written = place.store.write("rewritten", {**files, META: change(files[META])})
    with place.database.write() as session:
        row = session.get_one(Checkpoint, checkpoint.id)
        row.path, row.sha256 = written.path, written.sha256


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a later format": lambda meta: meta.replace(b'"format":1', b'"format":99'),
    "no JSON": lambda meta: meta[:-5],
    "other members": lambda meta: meta.replace(b'"members":[0]', b'"members":[0,1]'),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("both", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_checkpoint_that_cannot_be_taken_over_is_passed_over(
    place: Place,
    undisturbed: str | None,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    both: bool,
) -> None:
    job_id = interrupted(place, monkeypatch, after=3)
    newest, older = place.checkpoints(job_id)
    for checkpoint in [newest, older] if both else [newest]:
        rewrite(place, checkpoint, CHANGES[change])
    assert place.train(job_id) == "succeeded"
    assert place.fleet(job_id).result_sha256 == undisturbed
    assert place.events(job_id).count("checkpoint_damaged") == (2 if both else 1)
    assert place.fleet(job_id).exact


def test_a_folder_in_place_of_a_checkpoint_falls_back(
    place: Place, undisturbed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = interrupted(place, monkeypatch, after=3)
    newest = place.checkpoints(job_id)[0]
    file = place.store.local_path(f"{newest.path}/{META}")
    assert file is not None
    file.unlink()
    file.mkdir()
    assert place.train(job_id) == "succeeded"
    assert place.fleet(job_id).result_sha256 == undisturbed
    assert "checkpoint_damaged" in place.events(job_id)


@pytest.mark.parametrize(
    "change",
    [
        lambda meta: meta.replace(b'"threads":', b'"threads":1'),
        lambda meta: meta.replace(b'"device":"cpu"', b'"device":"NVIDIA H100"'),
        lambda meta: meta[: meta.index(b',"format"')] + b"}",
    ],
    ids=["threads", "device", "an earlier release"],
)
def test_a_checkpoint_of_elsewhere_is_taken_over_and_said(
    place: Place,
    undisturbed: str | None,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[bytes], bytes],
) -> None:
    job_id = interrupted(place, monkeypatch, after=3)
    assert place.fleet(job_id).exact
    rewrite(place, place.checkpoints(job_id)[0], change)
    assert place.train(job_id) == "succeeded"
    row = place.fleet(job_id)
    assert not row.exact
    assert row.result_sha256 == undisturbed  # it was here, in fact
    types = place.events(job_id)
    assert "not_exact" in types
    assert "checkpoint_damaged" not in types


def test_a_state_is_written_with_its_format_and_its_place(place: Place) -> None:
    meta = dump_state(fleet(dataset={"builtin": "circle"}).state())[META]
    for part in (b'"format":1', b'"torch":', b'"device":"cpu"', b'"threads":', b'"processor":'):
        assert part in meta
