"""After the end of a fleet: what nobody needs any more goes, and what is kept is packed."""

from collections.abc import Iterator

from worker.storage import curves, retention
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.fleets import Lease
from worker.storage.retention import Spent


def clear(database: Database, artefacts: Artefacts, lease: Lease) -> None:
    """Clear up after a fleet that has ended: its checkpoints, and its job's curves if that ended.

    Raises ``UnavailableError`` where the place does not allow it now; the collector finds it.
    """
    with database.read() as session:
        spent = retention.spent_checkpoints(session, limit=1, fleet_id=lease.fleet_id)
    for checkpoints in spent:
        drop_checkpoints(database, artefacts, checkpoints)
    for _ in pack_curves(database, lease.job_id):
        continue


def drop_checkpoints(database: Database, artefacts: Artefacts, spent: Spent) -> None:
    """Remove checkpoints, files first."""
    artefacts.delete(spent.folder)
    with database.write() as session:
        retention.forget_checkpoints(session, spent.owner)


def pack_curves(database: Database, job_id: str | None = None) -> Iterator[str]:
    """Pack the curves of jobs that have ended; tell of each fleet afterwards."""
    with database.read() as session:
        fleets = curves.unpacked(session, limit=None, job_id=job_id)
    for fleet_id in fleets:
        with database.read() as session:
            rows = curves.rows(session, fleet_id)
        if rows:  # else somebody else has packed them meanwhile
            packed = curves.pack(rows)
            with database.write() as session:
                curves.replace(session, fleet_id, packed)
            yield fleet_id
