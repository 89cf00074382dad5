from collections.abc import Callable

import pytest

from tests.rows import accept, claimed
from worker.runtime.reconciler import Reconciler
from worker.settings import ServiceSettings
from worker.storage import fleets, jobs
from worker.storage.database import Database
from worker.storage.tables import Fleet


class Clock:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bell:
    """Notes what is rung; can be broken or backed up."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.devices: dict[str, str | None] = {}
        self.full: set[str | None] = set()
        self.broken = self.closed = False
        self.unread: set[str | None] = set()
        self.on_ring: Callable[[], None] = lambda: None

    def ring(self, fleet_id: str, device: str | None = None) -> None:
        if self.broken:
            raise ConnectionError("no Redis")
        self.rung.append(fleet_id)
        self.devices[fleet_id] = device
        self.on_ring()

    def is_backed_up(self, device: str | None = None) -> bool:
        return device in self.full

    def has_unread(self, device: str | None = None) -> bool:
        return device in self.unread

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def reconciler(
    settings: ServiceSettings, database: Database, bell: Bell, clock: Clock
) -> Reconciler:
    changed = settings.model_copy(update={"lease_seconds": 30.0, "ring_after_seconds": 15.0})
    return Reconciler(changed, database, bell, clock=clock)


def queued(database: Database) -> str:
    with database.write() as session:
        return accept(session)[1][0].id


def test_a_queued_fleet_is_rung_and_rung_again(
    reconciler: Reconciler, database: Database, bell: Bell, clock: Clock
) -> None:
    fleet_id = queued(database)
    reconciler.tick()
    reconciler.tick()
    assert bell.rung == [fleet_id]
    clock.now += 15
    reconciler.tick()
    assert bell.rung == [fleet_id, fleet_id]


def test_a_claimed_fleet_is_not_rung(
    reconciler: Reconciler, database: Database, bell: Bell
) -> None:
    fleet_id = queued(database)
    with database.write() as session:
        claimed(session, fleet_id)
    reconciler.tick()
    assert bell.rung == []


def test_a_broken_bell_is_tried_again(
    reconciler: Reconciler, database: Database, bell: Bell
) -> None:
    fleet_id = queued(database)
    bell.broken = True
    reconciler.tick()
    bell.broken = False
    reconciler.tick()
    assert bell.rung == [fleet_id]


def test_a_full_queue_is_not_filled_further(
    reconciler: Reconciler, database: Database, bell: Bell
) -> None:
    queued(database)
    bell.full = {None}
    reconciler.tick()
    assert bell.rung == []


def test_what_was_announced_is_not_repeated_before_all_is_heard(
    reconciler: Reconciler, database: Database, bell: Bell, clock: Clock
) -> None:
    first = queued(database)
    reconciler.tick()
    bell.unread = {None}
    clock.now += 15
    second = queued(database)
    reconciler.tick()
    assert bell.rung == [first, second]
    bell.unread = set()
    reconciler.tick()
    assert bell.rung == [first, second, first]


def test_a_full_queue_of_one_device_keeps_nothing_from_the_others(
    reconciler: Reconciler, database: Database, bell: Bell
) -> None:
    with database.write() as session:
        wishes = ("gpu", "cpu", None)
        _gpu, cpu, anywhere = (accept(session, device=wish)[1][0].id for wish in wishes)
    bell.full = {"gpu"}
    reconciler.tick()
    assert bell.devices == {cpu: "cpu", anywhere: None}


def test_a_lease_is_taken_back_after_its_time_and_not_before(
    reconciler: Reconciler, database: Database, clock: Clock, bell: Bell
) -> None:
    fleet_id = queued(database)
    with database.write() as session:
        claimed(session, fleet_id)
    reconciler.tick()
    clock.now += 29.9
    reconciler.tick()
    assert state(database, fleet_id) == "running"
    clock.now += 0.1
    reconciler.tick()
    assert state(database, fleet_id) == "queued"
    assert bell.rung == [fleet_id]


def test_heartbeats_keep_a_lease(reconciler: Reconciler, database: Database, clock: Clock) -> None:
    fleet_id = queued(database)
    with database.write() as session:
        lease = claimed(session, fleet_id)
    for _ in range(10):
        reconciler.tick()
        clock.now += 20
        with database.write() as session:
            fleets.heartbeat(session, lease)
    reconciler.tick()
    assert state(database, fleet_id) == "running"


def test_a_new_claim_is_given_a_full_lease(
    reconciler: Reconciler, database: Database, clock: Clock
) -> None:
    fleet_id = queued(database)
    with database.write() as session:
        lease = claimed(session, fleet_id)
    reconciler.tick()
    clock.now += 29
    with database.write() as session:
        fleets.release(session, lease)
        claimed(session, fleet_id)
    reconciler.tick()
    clock.now += 29
    reconciler.tick()
    assert state(database, fleet_id) == "running"


def test_workers_that_are_lost_do_not_count_against_a_job(
    reconciler: Reconciler, database: Database, clock: Clock
) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
    for _ in range(8):
        with database.write() as session:
            session.get_one(Fleet, fleet.id).not_before = None
            claimed(session, fleet.id)
        reconciler.tick()
        clock.now += 30
        reconciler.tick()
    with database.read() as session:
        assert jobs.find_job(session, job.id).state == "queued"
        lost = session.get_one(Fleet, fleet.id)
        assert (lost.stalled_attempts, lost.place_faults) == (0, 8)


def test_what_is_lost_alone_again_and_again_while_others_live_is_poison(
    reconciler: Reconciler, database: Database, clock: Clock
) -> None:
    with database.write() as session:
        job, (poison,) = accept(session)
        _, (with_it,) = accept(session)
        _, (other,) = accept(session)
        lives = claimed(session, other.id, owner="there:1")

    def lose(*lost: str) -> None:
        with database.write() as session:
            for fleet_id in lost:
                session.get_one(Fleet, fleet_id).not_before = None
                session.flush()
                claimed(session, fleet_id, owner="here:1")
        for _ in range(5):
            with database.write() as session:
                fleets.heartbeat(session, lives)
            reconciler.tick()
            clock.now += 10

    for _ in range(4):
        lose(poison.id, with_it.id)
    assert state(database, poison.id) == state(database, with_it.id) == "queued"
    for _ in range(3):
        assert state(database, poison.id) == "queued"
        lose(poison.id)
    assert state(database, poison.id) == "failed"
    with database.read() as session:
        assert jobs.find_job(session, job.id).state == "failed"


def test_a_nudge_is_heard_at_once(
    settings: ServiceSettings, database: Database, bell: Bell
) -> None:
    import threading

    rung = threading.Event()
    bell.on_ring = rung.set
    reconciler = Reconciler(settings, database, bell)
    reconciler.start()
    try:
        queued(database)
        reconciler.nudge()
        assert rung.wait(10)
    finally:
        reconciler.stop()
    assert bell.closed


def state(database: Database, fleet_id: str) -> str:
    with database.read() as session:
        return session.get_one(Fleet, fleet_id).state
