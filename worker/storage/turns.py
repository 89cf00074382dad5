"""Scheduling between tenants: which fleet a worker takes next, and when a running one yields.

**Between tenants**, those go first that have the least of the workers now: fleets that run, over
the tenant's weight. Of equals, those that had the least lately: seconds of fleets, over the weight,
of which half is forgotten every ``HALF_LIFE``. So nobody saves up turns, or pays for ever.

**Within a tenant**, a higher priority goes first, then the lower ``turn``: the instant at which a
fleet was queued plus the seconds that it is estimated to take, so when it would end if it were
alone. A short one passes those longer ones that came before it by less than the difference; and
none waits for fleets that came later for longer than it takes itself.

**A fleet that runs yields** once it has trained for a quantum, if one that waits would go before
it, were it waiting too. It goes the way of a pause: a checkpoint, back to the queue, and on from
that very step. Its ``turn`` stays.

Whoever looks reads one range of an index for each tenant that waits and is near its turn, and a row
for each that has fleets running.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, Double, Select, and_, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from worker.shares import EQUAL, Shares
from worker.storage.queries import DEVICES, is_claimable
from worker.storage.states import State
from worker.storage.tables import Fleet
from worker.storage.types import Base, read_clock

HALF_LIFE = 600.0
"""Seconds after which half of what a tenant had is forgotten."""
LONGEST_CHARGE = 7 * 86_400.0
"""Seconds that one claim counts at most: a clock that jumps is no debt for ever."""


class TenantUse(Base):
    """What a tenant had of the workers: seconds of its fleets, as far as they are not forgotten."""

    __tablename__ = "tenant_use"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    seconds: Mapped[float] = mapped_column(Double, default=0.0)
    at: Mapped[float] = mapped_column(Double, default=0.0)
    """The instant for which that holds, in seconds since 1970, by the clock of the database."""


@dataclass(frozen=True, order=True)
class Holding:
    """What a tenant has of the workers: who has less goes first."""

    running: float
    """Fleets that run or are made room for, but for those that yield; over its weight."""
    used: float
    """Seconds that it had lately, over its weight."""

    def with_more(self, fleets: int, weight: float) -> "Holding":
        """The same with so many more fleets running."""
        return Holding(self.running + fleets / weight, self.used)


@dataclass(frozen=True, order=True)
class Waiting:
    """A fleet that waits, in the order of its tenant."""

    rank: int
    turn: float
    created_at: datetime
    number: int
    fleet_id: str
    job_id: str


# Which fleet comes next.


def due(
    session: Session,
    *,
    limit: int,
    device: str | None = None,
    shares: Shares = EQUAL,
    now: datetime | None = None,
) -> list[str]:
    """Ids of the fleets that wait for a worker with this device, or with any, in their turn."""
    places = (None, *DEVICES) if device is None else (None, device)
    return [fleet.fleet_id for fleet in _in_turn(session, places, limit, shares, now)]


def due_by_device(
    session: Session, *, limit: int, shares: Shares = EQUAL, now: datetime | None = None
) -> dict[str, str | None]:
    """``{fleet: device}`` of those that wait, at most so many of each device: where nobody has one,
    what waits for it keeps nobody else from being announced.
    """
    return {
        fleet.fleet_id: place
        for place in (None, *DEVICES)
        for fleet in _in_turn(session, [place], limit, shares, now)
    }


def before(
    session: Session,
    fleet_id: str,
    *,
    limit: int,
    device: str | None = None,
    shares: Shares = EQUAL,
    now: datetime | None = None,
) -> list[str]:
    """Of what waits, as :func:`due`, what comes before a fleet, and it; none if it is gone."""
    if session.scalar(select(Fleet.id).where(Fleet.id == fleet_id)) is None:
        return []
    first = due(session, limit=limit, device=device, shares=shares, now=now)
    if fleet_id in first:
        return first[: first.index(fleet_id) + 1]
    return [*first, fleet_id]


def _in_turn(
    session: Session,
    places: Sequence[str | None],
    limit: int,
    shares: Shares,
    now: datetime | None,
) -> list[Waiting]:
    """The first of what waits for some devices, as workers that come one by one would take them."""
    waits_for = _places_by_tenant(session, places)
    tenants = sorted(waits_for)
    if not tenants:
        return []
    if len(tenants) == 1 and shares.of(tenants[0]).running_fleets is None:
        return _first_of(session, tenants[0], waits_for[tenants[0]], limit, now)
    holdings = holdings_of(session, tenants, shares, now)
    turns = [(holdings[tenant], tenant) for tenant in tenants]
    heapq.heapify(turns)
    rows: dict[str, list[Waiting]] = {}
    taken: list[Waiting] = []
    while turns and len(taken) < limit:
        holding, tenant = heapq.heappop(turns)
        limits = shares.of(tenant)
        if _is_full(holding, shares, tenant):
            continue
        if tenant not in rows:
            rows[tenant] = _first_of(session, tenant, waits_for[tenant], limit - len(taken), now)[
                ::-1
            ]
        if rows[tenant]:
            taken.append(rows[tenant].pop())
            heapq.heappush(turns, (holding.with_more(1, limits.weight), tenant))
    return taken


def _is_full(holding: Holding, shares: Shares, tenant: str) -> bool:
    limits = shares.of(tenant)
    cap = limits.running_fleets
    return cap is not None and round(holding.running * limits.weight) >= cap


def _first_of(
    session: Session,
    tenant: str,
    places: Iterable[str | None],
    limit: int,
    now: datetime | None,
) -> list[Waiting]:
    """The first of what waits of a tenant. One range of an index for each device."""
    waiting = [row for place in places for row in _waiting(session, tenant, place, limit, now)]
    return sorted(waiting)[:limit]


def _waiting(
    session: Session, tenant: str, device: str | None, limit: int, now: datetime | None
) -> list[Waiting]:
    rows = session.execute(
        select(Fleet.rank, Fleet.turn, Fleet.created_at, Fleet.number, Fleet.id, Fleet.job_id)
        .where(*is_claimable(session, now), Fleet.tenant == tenant, _is_for(device))
        # By what is one value, too: otherwise PostgreSQL does not take the index for NULL.
        .order_by(
            Fleet.device, Fleet.tenant, Fleet.rank, Fleet.turn, Fleet.created_at, Fleet.number
        )
        .limit(limit)
    )
    return [Waiting(*row) for row in rows]


def _is_for(device: str | None) -> ColumnElement[bool]:
    return Fleet.device.is_(None) if device is None else Fleet.device == device


def _places_by_tenant(
    session: Session, places: Iterable[str | None]
) -> dict[str, list[str | None]]:
    """Those of whom something is queued for one of some devices, and for which."""
    by_tenant: dict[str, list[str | None]] = {}
    for place in places:
        for tenant in _tenants(session, place):
            by_tenant.setdefault(tenant, []).append(place)
    return by_tenant


def _tenants(session: Session, device: str | None) -> list[str]:
    """Those of whom something is queued for a device: one look into an index for each."""
    return list(session.scalars(_select_tenants(device)))


@cache
def _select_tenants(device: str | None) -> Select[str]:
    # Built once: this is asked twice a second in every process, whether anything waits or not.
    queued = and_(Fleet.state == State.QUEUED, _is_for(device))
    order = (Fleet.device, Fleet.tenant)
    first = select(Fleet.tenant).where(queued).order_by(*order).limit(1).scalar_subquery()
    tenants = select(first.label("tenant")).cte("found", recursive=True)
    next_one = (
        select(Fleet.tenant)
        .where(queued, Fleet.tenant > tenants.c.tenant)
        .order_by(*order)
        .limit(1)
        .correlate(tenants)
        .scalar_subquery()
    )
    tenants = tenants.union_all(select(next_one).where(tenants.c.tenant.is_not(None)))
    return select(tenants.c.tenant).where(tenants.c.tenant.is_not(None))


# What tenants have.


def holdings_of(
    session: Session, tenants: Sequence[str], shares: Shares, now: datetime | None = None
) -> dict[str, Holding]:
    """What some tenants have of the workers."""
    instant = (now or read_clock(session)).timestamp()
    at_work = session.execute(
        select(Fleet.tenant, Fleet.yields_to, func.count(), func.sum(Fleet.claimed))
        .where(Fleet.state == State.RUNNING)
        .group_by(Fleet.tenant, Fleet.yields_to)
    )
    running: Counter[str] = Counter()
    used: defaultdict[str, float] = defaultdict(float)
    for tenant, yields_to, count, since in at_work:
        running[yields_to or tenant] += count
        used[tenant] += max(0.0, count * instant - since)
    rows = session.execute(
        select(TenantUse.tenant, TenantUse.seconds, TenantUse.at).where(
            TenantUse.tenant.in_(tenants)
        )
    )
    for tenant, seconds, at in rows:
        used[tenant] += _left(seconds, instant - at)
    weights = {tenant: shares.of(tenant).weight for tenant in tenants}
    return {
        tenant: Holding(running[tenant] / weight, used[tenant] / weight)
        for tenant, weight in weights.items()
    }


def _left(seconds: float, ago: float) -> float:
    """What is not forgotten of what was used."""
    return float(seconds * 2.0 ** (-max(0.0, ago) / HALF_LIFE))


def charge(session: Session, fleet: Fleet) -> None:
    """Count what a fleet had since it was claimed; the caller holds it, and has ended or queued it.

    Its tenant's row is the last that any transaction takes, so that none waits in a circle.
    """
    if not fleet.claimed:
        return
    instant = read_clock(session).timestamp()
    seconds = min(max(0.0, instant - fleet.claimed), LONGEST_CHARGE)
    fleet.claimed, fleet.yields_to = 0.0, None
    session.flush()
    use = _locked_use(session, fleet.tenant)
    use.seconds = _left(use.seconds, instant - use.at) + seconds
    use.at = instant
    session.flush()


def _locked_use(session: Session, tenant: str) -> TenantUse:
    query = select(TenantUse).where(TenantUse.tenant == tenant).with_for_update()
    use = session.scalar(query.execution_options(populate_existing=True))
    if use is not None:
        return use
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    insert = (sqlite if is_sqlite else postgresql).insert(TenantUse)
    values = insert.values(tenant=tenant, seconds=0.0, at=0.0)
    session.execute(values.on_conflict_do_nothing(index_elements=[TenantUse.tenant]))
    return session.scalars(query).one()


def is_at_cap(session: Session, tenant: str, shares: Shares) -> bool:
    """Whether a tenant has as many fleets running as it may. Until the transaction ends nobody
    claims another one for it.
    """
    cap = shares.of(tenant).running_fleets
    if cap is None:
        return False
    _locked_use(session, tenant)
    runs = select(func.count()).where(Fleet.state == State.RUNNING, Fleet.tenant == tenant)
    return (session.scalar(runs) or 0) >= cap


# Who makes room.


def make_room(
    session: Session,
    fleet_id: str,
    *,
    shares: Shares,
    device: str | None = None,
    now: datetime | None = None,
) -> bool:
    """Whether a running fleet is to yield to one that waits, which is then in its row: of several
    that might, no more do than are waited for. Its worker has shown that it holds it.
    """
    fleet = session.execute(
        select(
            Fleet.tenant,
            Fleet.job_id,
            Fleet.rank,
            Fleet.turn,
            Fleet.estimated_seconds,
            Fleet.epoch,
            Fleet.epochs,
            Fleet.yields_to,
        ).where(Fleet.id == fleet_id, Fleet.state == State.RUNNING)
    ).one_or_none()
    if fleet is None or fleet.yields_to is not None:
        return fleet is not None
    places = (None, *DEVICES) if device is None else (None, device)
    waits_for = _places_by_tenant(session, places)
    if not waits_for:
        return False
    holdings = holdings_of(session, sorted({*waits_for, fleet.tenant}), shares, now)
    own = holdings[fleet.tenant].with_more(-1, shares.of(fleet.tenant).weight)
    yields_to = None
    for other, holding in sorted(holdings.items(), key=lambda item: item[1]):
        if not holding < own:
            break
        if other == fleet.tenant or _is_full(holding, shares, other):
            continue
        if _first_of(session, other, waits_for[other], 1, now):
            yields_to = other
            break
    if yields_to is None and fleet.tenant in waits_for:
        done = min(1.0, fleet.epoch / fleet.epochs) if fleet.epochs else 0.0
        own_turn = (fleet.rank, fleet.turn - done * fleet.estimated_seconds)
        made_room = select(func.count()).where(
            Fleet.state == State.RUNNING, Fleet.yields_to == fleet.tenant
        )
        served = session.scalar(made_room) or 0
        waiting = _first_of(session, fleet.tenant, waits_for[fleet.tenant], served + 1, now)[
            served:
        ]
        if any((o.rank, o.turn) < own_turn and o.job_id != fleet.job_id for o in waiting):
            yields_to = fleet.tenant
    if yields_to is None:
        return False
    session.execute(update(Fleet).where(Fleet.id == fleet_id).values(yields_to=yields_to))
    return True
