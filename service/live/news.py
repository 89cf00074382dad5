"""What is new of a watched job, read from the database."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy.orm import Session

from service.live.curves import MOST_EPOCHS, CurveLine, followed_metrics, live_metrics
from service.schemas.jobs import EventView
from service.schemas.live import JobEnd, JobNow, LiveAdvice, LiveMetrics
from service.views import job_summary
from worker.errors import NotFoundError
from worker.storage import events, jobs, live, waits
from worker.storage.states import TERMINAL
from worker.storage.tables import Job

MOST_LOGGED = 1_000
"""Lines of a log that are kept in memory for whoever begins to watch: the last ones."""


@dataclass
class Seen:
    """How far a job has been read."""

    event: int = 0
    epochs: dict[str, int] = field(default_factory=dict)
    """The last epoch of each fleet."""
    lines: dict[str, Sequence[CurveLine]] = field(default_factory=dict)
    pulse: live.Pulse | None = None
    advice: int = -1
    """How much advice there was."""


@dataclass(frozen=True)
class News:
    """What came since then."""

    logged: Sequence[EventView] = ()
    advice: LiveAdvice | None = None
    metrics: Sequence[LiveMetrics] = ()
    job: JobNow | None = None
    end: JobEnd | None = None
    gone: bool = False
    """The job was deleted."""


def news_of(session: Session, job_id: str, before: Seen, tenant: str) -> tuple[News, Seen]:
    """What is new of a tenant's job, and how far it has been read then."""
    seen = replace(before, epochs=dict(before.epochs), lines=dict(before.lines))
    seen.pulse = live.pulses(session, [job_id]).get(job_id)
    try:
        job = jobs.find_job(session, job_id, complete=False, tenant=tenant)
    except NotFoundError:
        return News(gone=True), seen
    ended = job.state in TERMINAL
    logged = _logged(session, job, seen)
    metrics = [] if before.pulse is None and ended else list(_metrics(session, job, seen))
    advice = None
    if len(job.advice) != seen.advice:
        seen.advice = len(job.advice)
        advice = LiveAdvice(data=job.advice) if job.advice else None
    summary = job_summary(job, waiting_for=waits.waiting_for(session, job))
    now = JobNow(**dict(summary))
    end = None
    if ended:
        verdict = None if job.appraisal is None else job.appraisal.verdict
        end = JobEnd(state=summary.state, verdict=verdict)
    return News(logged, advice, metrics, now, end), seen


def _logged(session: Session, job: Job, seen: Seen) -> list[EventView]:
    lines: list[EventView] = []
    while True:
        page = events.event_page(
            session, job.id, after=seen.event, limit=MOST_LOGGED, tenant=job.tenant
        )
        lines += [EventView.model_validate(row) for row in page.items]
        if page.items:
            seen.event = page.items[-1].id
        if not page.has_more:
            return lines
        lines = lines[-MOST_LOGGED:]


def _metrics(session: Session, job: Job, seen: Seen) -> Iterator[LiveMetrics]:
    for fleet in live.moving_fleets(session, job.id, seen.epochs):
        names = followed_metrics(job.objective)
        after = seen.epochs.get(fleet.id, 0)
        epochs = live.epochs_after(session, fleet.id, after, names, most=MOST_EPOCHS)
        if not epochs:
            continue
        seen.epochs[fleet.id] = epochs[-1][0]
        if fleet.id not in seen.lines:
            places = live.positions(session, fleet.id)
            seen.lines[fleet.id] = _lines(places)
        metrics = live_metrics(
            fleet.number,
            seen.lines[fleet.id],
            epochs,
            objective=job.objective,
            maximize=job.maximize,
        )
        if metrics is not None:
            yield metrics


def _lines(places: Iterable[tuple[int, int, str]]) -> list[CurveLine]:
    by_number: dict[int, tuple[str, list[int]]] = {}
    for position, configuration, name in places:
        by_number.setdefault(configuration, (name, []))[1].append(position)
    return [CurveLine(number, name, tuple(places)) for number, (name, places) in by_number.items()]
