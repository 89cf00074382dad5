"""Counters of what happened, for whoever watches the service: they only grow.

A count is a row, added in the transaction of what it counts, so that it is exact. Nobody updates a
row that others update too: a worker that hangs in its transaction holds nobody up. Now and then the
rows are folded, one for each counter, so that their sum stays cheap for ever. They do not refer to
jobs, and outlive them: a counter that fell would be taken for a restart.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Double, delete, func, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from worker.storage.states import TERMINAL
from worker.storage.tables import TrialRow
from worker.storage.types import Base, Cursor

EVENT = "event:"
"""Before the type of an event: lines of the jobs' logs."""
TRIALS = "trials:"
"""Before the state in which trials ended."""
EPOCHS = "epochs"
"""Epochs of single trials."""
CHECKPOINTS = "checkpoints"
"""Its amount are bytes."""
CHECKPOINT_SECONDS = "checkpoint_seconds"
"""Its amount are the seconds that they took to be written."""

FOLD_AFTER = 1_000
"""Rows, on the mean, after which they are folded."""
FOLDED_AT_ONCE = 5_000


class Increment(Base):
    """So many more of something."""

    __tablename__ = "increment"

    id: Mapped[int] = mapped_column(Cursor, primary_key=True, autoincrement=True)
    name: Mapped[str]
    count: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[float] = mapped_column(Double)


@dataclass(frozen=True)
class Total:
    """What a counter has come to."""

    count: int
    amount: float
    """What was added up beside it: bytes, seconds."""


def add(session: Session, name: str, count: int = 1, amount: float = 0.0) -> None:
    """Count something, if and when the session's transaction is committed."""
    session.add(Increment(name=name, count=count, amount=amount))
    if random.randrange(FOLD_AFTER) == 0:
        compact(session)


def add_trials(session: Session, fleet_id: str) -> None:
    """Count the trials of a fleet that ends, by their states."""
    ended = session.execute(
        select(TrialRow.state, func.count())
        .where(TrialRow.fleet_id == fleet_id, TrialRow.state.in_(TERMINAL))
        .group_by(TrialRow.state)
    )
    for state, trials in ended:
        add(session, TRIALS + state, trials)


def totals(session: Session) -> Mapping[str, Total]:
    """All counters that are not zero, by name."""
    summed = session.execute(
        select(Increment.name, func.sum(Increment.count), func.sum(Increment.amount)).group_by(
            Increment.name
        )
    )
    return {name: Total(int(count), float(amount)) for name, count, amount in summed}


def compact(session: Session) -> None:
    """Make one row of each counter's rows. What another transaction is folding is left to it."""
    rows = session.execute(
        select(Increment.id, Increment.name, Increment.count, Increment.amount)
        .order_by(Increment.id)
        .limit(FOLDED_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    sums: dict[str, tuple[int, float]] = {}
    for _, name, count, amount in rows:
        before = sums.get(name, (0, 0.0))
        sums[name] = before[0] + count, before[1] + amount
    if len(sums) == len(rows):
        return
    session.execute(
        delete(Increment)
        .where(Increment.id.in_([row.id for row in rows]))
        .execution_options(synchronize_session=False)
    )
    session.execute(
        insert(Increment),
        [{"name": name, "count": n, "amount": amount} for name, (n, amount) in sums.items()],
    )
