"""Tenants take turns, by what they have of the workers; within one, short jobs pass long ones."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from tests.rows import RESULT, accept, good
from worker.shares import EQUAL, Shares, TenantLimits, TenantOverrides
from worker.storage import fleets, turns
from worker.storage.database import Database
from worker.storage.fleets import Lease
from worker.storage.tables import Fleet

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def queued(database: Database, tenant: str, **more: object) -> str:
    """A fleet of a tenant's job; its id."""
    with database.write() as session:
        return accept(session, tenant=tenant, **more)[1][0].id


def take(database: Database, *, shares: Shares = EQUAL, now: datetime = NOW) -> Lease | None:
    """What a worker takes that comes now."""
    with database.write() as session:
        for fleet_id in turns.due(session, limit=8, shares=shares, now=now):
            lease = fleets.claim(session, fleet_id, owner="test", shares=shares, now=now)
            if lease is not None:
                return lease
    return None


def tenant_of(database: Database, lease: Lease | None) -> str | None:
    if lease is None:
        return None
    with database.read() as session:
        return session.get_one(Fleet, lease.fleet_id).tenant


def yields(database: Database, lease: Lease, *, shares: Shares = EQUAL) -> bool:
    with database.write() as session:
        return turns.make_room(session, lease.fleet_id, shares=shares)


def had(database: Database, tenant: str, seconds: float) -> None:
    """Let a tenant have had so much, just now."""
    with database.write() as session:
        use = turns.TenantUse(tenant=tenant, seconds=seconds, at=NOW.timestamp())
        session.merge(use)


def test_who_has_nothing_goes_before_twenty_fleets_of_another(database: Database) -> None:
    for _ in range(20):
        queued(database, "many")
    first = take(database)
    queued(database, "few")
    assert tenant_of(database, first) == "many"
    assert [tenant_of(database, take(database)) for _ in range(3)] == ["few", "many", "many"]


def test_of_equals_the_one_goes_first_that_had_less_lately(database: Database) -> None:
    """One worker: nothing runs when it looks for more."""
    for _ in range(6):
        for tenant in ("a", "b"):
            queued(database, tenant)
    taken = []
    for turn in range(6):
        now = NOW + timedelta(seconds=10 * turn)
        lease = take(database, now=now)
        assert lease is not None
        taken.append(tenant_of(database, lease))
        with database.write() as session:
            fleets.finish(session, lease, [good()], RESULT)
            use = session.get_one(turns.TenantUse, taken[-1])
            use.seconds, use.at = 10.0 * taken.count(taken[-1]), now.timestamp()
    assert taken == ["a", "b"] * 3


def test_what_a_fleet_had_is_charged_once_and_forgotten(database: Database) -> None:
    fleet_id = queued(database, "a")
    with database.write() as session:
        lease = fleets.claim(session, fleet_id, owner="test")
        assert lease is not None
        fleet = session.get_one(Fleet, fleet_id)
        fleet.claimed -= 100.0
    with database.write() as session:
        fleets.release(session, lease)
        use = session.get_one(turns.TenantUse, "a")
        assert use.seconds == pytest.approx(100.0, abs=5.0)
        fleet = session.get_one(Fleet, fleet_id)
        turns.charge(session, fleet)
        assert use.seconds == pytest.approx(100.0, abs=5.0)
        later = datetime.fromtimestamp(use.at, UTC) + timedelta(seconds=turns.HALF_LIFE)
        holding = turns.holdings_of(session, ["a"], EQUAL, later)["a"]
    assert holding.used == pytest.approx(50.0, abs=3.0)


def test_a_weight_of_three_has_three_of_four(database: Database) -> None:
    shares = Shares(others={"gold": TenantOverrides(weight=3.0)})
    for _ in range(9):
        for tenant in ("gold", "usual"):
            queued(database, tenant)
    taken = [tenant_of(database, take(database, shares=shares)) for _ in range(8)]
    assert taken.count("gold") == 6


def test_a_cap_is_held_whoever_claims(database: Database) -> None:
    shares = Shares(TenantLimits(running_fleets=2), {"small": TenantOverrides(running_fleets=1)})
    ids = [queued(database, tenant) for tenant in ("big", "small", "big", "small", "big")]
    taken = [tenant_of(database, take(database, shares=shares)) for _ in range(4)]
    assert sorted(filter(None, taken)) == ["big", "big", "small"]
    with database.write() as session:  # one who was told of a fleet by a message
        assert fleets.claim(session, ids[-1], owner="test", shares=shares) is None
        assert fleets.claim(session, ids[-1], owner="test") is not None


def test_a_short_job_passes_a_long_one_that_came_little_earlier(database: Database) -> None:
    long, longer, short = (
        queued(database, "a", estimated_seconds=seconds) for seconds in (600.0, 7_200.0, 5.0)
    )
    with database.write() as session:
        assert turns.due(session, limit=9) == [short, long, longer]
        # An hour later: nobody waits for ever for what comes after him.
        session.execute(update(Fleet).values(turn=Fleet.turn - 3_600.0))
    fresh = queued(database, "a", estimated_seconds=5.0)
    with database.read() as session:
        assert turns.due(session, limit=9) == [short, long, fresh, longer]


def test_a_fleet_yields_to_a_tenant_that_has_less(database: Database) -> None:
    queued(database, "many")
    queued(database, "many")
    running = take(database)
    assert running is not None
    assert not yields(database, running)  # what waits is its own tenant's
    had(database, "many", 60.0)
    queued(database, "few")
    assert yields(database, running)
    with database.write() as session:
        fleets.release(session, running)
        assert turns.holdings_of(session, ["many"], EQUAL)["many"].running == 0
    assert tenant_of(database, take(database)) == "few"


def test_no_more_fleets_yield_than_others_lack(database: Database) -> None:
    leases = []
    for _ in range(2):
        queued(database, "many")
        leases.append(take(database))
    queued(database, "few")
    first, second = leases
    assert first is not None
    assert second is not None
    assert yields(database, first)
    assert not yields(database, second)


def test_a_long_fleet_yields_to_a_shorter_one_of_its_tenant(database: Database) -> None:
    queued(database, "a", estimated_seconds=3_600.0)
    running = take(database)
    assert running is not None
    queued(database, "a", estimated_seconds=4_000.0)
    assert not yields(database, running)
    short = queued(database, "a", estimated_seconds=5.0)
    assert yields(database, running)
    with database.write() as session:
        fleets.release(session, running)
        assert turns.due(session, limit=1) == [short]


def test_a_fleet_that_is_nearly_done_does_not_yield_to_one_that_takes_longer(
    database: Database,
) -> None:
    queued(database, "a", estimated_seconds=3_600.0)
    running = take(database)
    assert running is not None
    queued(database, "a", estimated_seconds=600.0)
    with database.write() as session:
        fleet = session.get_one(Fleet, running.fleet_id)
        fleet.epoch = fleet.epochs - 1  # of ten: 360 s are left
    assert not yields(database, running)


def test_nobody_yields_to_what_may_not_run(database: Database) -> None:
    shares = Shares(others={"few": TenantOverrides(running_fleets=1)})
    for tenant in ("few", "many"):
        queued(database, tenant)
        assert take(database, shares=shares) is not None
    queued(database, "many")
    running = take(database, shares=shares)
    assert running is not None
    queued(database, "few")
    had(database, "many", 60.0)
    assert not yields(database, running, shares=shares)
    assert yields(database, running)
