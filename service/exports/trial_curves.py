"""What is exported of a trial, and its curves as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from worker.data import harmless_line
from worker.errors import SpecError
from worker.schema import Json
from worker.storage import jobs, queries
from worker.storage.tables import Job

MOST_VALUES = 500_000
"""Epochs × metrics of all trials of an export: some 5 s of a processor, as an MLflow folder."""
LEADING = ("trial", "name", "configuration", "repeat", "fold", "epoch")


@dataclass(frozen=True)
class TrialCurves:
    """One trial, its settings, and one value a metric and epoch."""

    id: str
    name: str
    configuration: int
    repeat: int
    fold: int | None
    state: str
    settings: Json
    final: Mapping[str, float | None]
    """Its final metrics."""
    series: Mapping[str, Sequence[float | None]]
    began: datetime
    """When its job began, and when that ended or was looked at. Epochs are not timed one by one:
    they are told as evenly spread between the two."""
    ended: datetime

    @property
    def label(self) -> str:
        """Its name among all trials of its job."""
        fold = "" if self.fold is None else f" fold {self.fold}"
        return f"{self.name} repeat {self.repeat}{fold}"

    @property
    def epochs(self) -> int:
        """How many there are values of."""
        return max((len(values) for values in self.series.values()), default=0)

    def time_of(self, epoch: int) -> float:
        """Seconds since 1970 at the end of an epoch, counted from 1."""
        began, ended = self.began.timestamp(), self.ended.timestamp()
        return began + (ended - began) * epoch / max(self.epochs, 1)

    def values_of(self, epoch: int) -> Iterator[tuple[str, float]]:
        """The metrics of an epoch, counted from 1, that have a value."""
        for name, values in self.series.items():
            value = values[epoch - 1] if epoch <= len(values) else None
            if value is not None:
                yield name, value


def curves_of(session: Session, job: Job, top: int, now: datetime) -> list[TrialCurves]:
    """The best trials of a job with their curves.

    Raises:
        SpecError: there are too many values (``top``).
    """
    rows = jobs.leaderboard(session, job, limit=top).items
    series = queries.series(session, rows)
    count = sum(len(values) for curves in series.values() for values in curves.values())
    if count > MOST_VALUES:
        raise SpecError(
            f"These trials have {count:,} values, and an export holds {MOST_VALUES:,}; ask for "
            "fewer trials by top.",
            param="top",
            code="limit_exceeded",
        )
    return [
        TrialCurves(
            id=row.id,
            name=row.name,
            configuration=row.configuration,
            repeat=row.repeat,
            fold=row.fold,
            state=row.state,
            settings=row.settings,
            final=row.metrics,
            series=series.get(row.id, {}),
            began=job.started_at or job.created_at,
            ended=job.finished_at or now,
        )
        for row in rows
    ]


def curves_csv(trials: Sequence[TrialCurves]) -> bytes:
    """One line a trial and epoch, one column a metric; empty where there is no value."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.series))
    lines = [harmless_line([*LEADING, *names])]
    for trial in trials:
        about = [trial.id, trial.name, trial.configuration, trial.repeat, trial.fold]
        for epoch in range(1, trial.epochs + 1):
            values = dict(trial.values_of(epoch))
            lines.append(harmless_line([*about, epoch, *(values.get(name) for name in names)]))
    return "".join(lines).encode()
