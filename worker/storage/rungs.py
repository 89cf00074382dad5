"""What the fleets of a job had at an epoch: halving across fleets compares with it."""

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.storage.lease import Lease
from worker.storage.tables import EpochMetrics, Fleet, TrialRow


def rung(session: Session, lease: Lease, epoch: int, metric: str) -> dict[int, list[float]]:
    """``{configuration: a metric of its members}`` at an epoch, of the job's other fleets.

    A configuration counts as far as a fleet has trained all its members there so far; of what a
    fleet trains just now, what it has recorded.
    """
    recorded = session.execute(
        select(EpochMetrics.fleet_id, EpochMetrics.values[metric])
        .join(Fleet, Fleet.id == EpochMetrics.fleet_id)
        .where(
            Fleet.job_id == lease.job_id,
            Fleet.id != lease.fleet_id,
            EpochMetrics.epoch == epoch,
        )
    )
    columns: dict[str, list[float | None]] = {
        fleet_id: column for fleet_id, column in recorded if column is not None
    }
    members: dict[tuple[str, int], list[float | None]] = defaultdict(list)
    positions = session.execute(
        select(TrialRow.fleet_id, TrialRow.configuration, TrialRow.position).where(
            TrialRow.job_id == lease.job_id, TrialRow.fleet_id.in_(columns)
        )
    )
    for fleet_id, configuration, position in positions:
        members[fleet_id, configuration].append(columns[fleet_id][position])
    found: dict[int, list[float]] = defaultdict(list)
    for (_, configuration), values in sorted(members.items()):
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            found[configuration] += known
    return dict(found)
