"""A fleet ends, and what follows it: one transaction, from a proposal that is not outdated."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.rows import RESULT, bad, claimed, error, good
from worker.data import Outline
from worker.jobs import finish as module
from worker.jobs.accept import JobIntake
from worker.jobs.finish import Appraised, Ended, OngoingJob, finish_fleet
from worker.jobs.table_cache import TableCache
from worker.results.appraisal import Appraisal
from worker.results.search import Baseline
from worker.results.trial import TrialResult
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage import events, fleets, jobs
from worker.storage.additions import Following
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.fleets import Lease, StaleToken
from worker.storage.tables import Fleet, Job

SPACE: dict[str, Any] = {"regularization.l1.strength": {"low": 1e-4, "high": 1e-1, "log": True}}


class Searching:
    """A job in waves that was accepted, and what ends its fleets."""

    def __init__(
        self, settings: ServiceSettings, database: Database, intake: JobIntake, **job: Any
    ) -> None:
        spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
        proposal = intake.propose(spec)
        self.database = database
        self.outline: Outline = proposal.outline
        self.ongoing = OngoingJob(settings, proposal.spec, proposal.outline)
        self.job_id = intake.accept(spec).id

    @property
    def job(self) -> Job:
        with self.database.read() as session:
            return jobs.find_job(session, self.job_id)

    def queued(self) -> list[Fleet]:
        with self.database.read() as session:
            found = jobs.fleets(session, self.job_id)
        return [fleet for fleet in found if fleet.state == "queued"]

    def claim(self, fleet: Fleet) -> Lease:
        with self.database.write() as session:
            return claimed(session, fleet.id)

    def size(self, lease: Lease) -> int:
        with self.database.read() as session:
            rows = jobs.trials(session, jobs.find_job(session, self.job_id))
        return sum(row.fleet_id == lease.fleet_id for row in rows)

    def end(
        self,
        lease: Lease,
        results: Sequence[TrialResult],
        appraise: Callable[[Ended], Appraised | None] | None = None,
    ) -> None:
        finish_fleet(
            self.database,
            lease,
            results=results,
            file=RESULT,
            ongoing=self.ongoing,
            appraise=appraise,
        )


@pytest.fixture
def searching(settings: ServiceSettings, database: Database) -> Searching:
    small = settings.model_copy(update={"fleet_trials": 4})
    tables = TableCache(database, Artefacts(settings.artefacts_url))
    search = {"space": SPACE, "trials": 20, "refit": True, "refit_repeats": 1}
    return Searching(small, database, JobIntake(small, database, tables), search=search)


@pytest.fixture
def comparing(settings: ServiceSettings, database: Database) -> Searching:
    """1,100 trials of two structures, 150 a fleet."""
    small = settings.model_copy(update={"fleet_trials": 150})
    tables = TableCache(database, Artefacts(settings.artefacts_url))
    wide = {"kind": "mlp", "hidden": [7]}
    compare = [{"name": str(n), "network": wide if n % 2 else None} for n in range(11)]
    return Searching(
        small, database, JobIntake(small, database, tables), compare=compare, repeats=100
    )


def test_a_search_goes_on_to_its_end_and_refits_its_winner(searching: Searching) -> None:
    best = 13
    while queued := searching.queued():
        lease = searching.claim(queued[0])
        with searching.database.read() as session:
            rows = sorted(jobs.trials(session, searching.job), key=lambda row: row.position)
        numbers = [row.configuration for row in rows if row.fleet_id == lease.fleet_id]
        searching.end(lease, [good(0.1 if number == best else 0.5) for number in numbers])
    job = searching.job
    assert (job.state, job.trials_planned, job.trials_finished) == ("succeeded", 21, 21)
    assert job.best is not None
    assert (job.best.configuration, job.best.value) == (best, 0.1)
    with searching.database.read() as session:
        (refit,) = [row for row in jobs.trials(session, job) if row.settings["refit"] is not None]
    assert refit.settings["refit"] == best
    assert job.best.trial == refit.id


def test_an_outdated_proposal_is_made_anew(
    searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another fleet ends, and plans, between this one's proposal and its transaction."""
    first, second = (searching.claim(fleet) for fleet in searching.queued()[:2])
    propose = module._following
    proposals: list[Following] = []

    def meanwhile(*arguments: Any) -> Following:
        following = propose(*arguments)
        proposals.append(following)
        if len(proposals) == 1:
            searching.end(second, [good()] * 4)
        return following

    monkeypatch.setattr(module, "_following", meanwhile)
    planned = searching.job.trials_planned
    searching.end(first, [good()] * 4)
    # The first, the other fleet's, and the first again.
    assert [proposal.seen.planned for proposal in proposals] == [planned, planned, planned + 4]
    with searching.database.read() as session:
        rows = jobs.trials(session, searching.job)
    assert sorted(row.configuration for row in rows) == list(range(searching.job.trials_planned))


def test_what_is_stale_changes_nothing(searching: Searching) -> None:
    fleet = searching.queued()[0]
    stale = searching.claim(fleet)
    with searching.database.write() as session:
        fleets.release(session, stale)
    searching.claim(fleet)
    planned = searching.job.trials_planned
    with pytest.raises(StaleToken):
        searching.end(stale, [good()] * 4)
    assert (searching.job.trials_planned, searching.job.trials_finished) == (planned, 0)


def test_a_failed_fleet_is_followed_too(searching: Searching) -> None:
    planned = searching.job.trials_planned
    lease = searching.claim(searching.queued()[0])
    finish_fleet(searching.database, lease, error=error("broken"), ongoing=searching.ongoing)
    job = searching.job
    assert (job.trials_failed, job.trials_planned) == (4, planned + 4)


@pytest.mark.parametrize("of_refit", [False, True])
def test_a_fleet_that_kills_its_trainers_is_followed_unless_it_refits(
    searching: Searching, of_refit: bool
) -> None:
    """Its supervisor queues a fleet that only plans; after a refit it would go round for ever."""
    while True:
        (fleet, *others) = searching.queued()
        lease = searching.claim(fleet)
        last = not others and searching.job.trials_planned == (21 if of_refit else 20)
        if last:
            break
        searching.end(lease, [good()] * searching.size(lease))
    with searching.database.write() as session:
        fleets.crashed(session, lease, "signal 9", max_attempts=1)
    waiting = searching.queued()
    if of_refit:
        assert waiting == []
        # A fault of the place: what won is served as it was measured, and that is told.
        job = searching.job
        assert job.best is not None
        assert (job.state, job.best.refitted) == ("succeeded", False)
        (told,) = [finding for finding in job.advice if finding.code == "not_refitted"]
        assert (told.field, told.evidence) == ("search.refit", {"trial": job.best.trial})
    else:
        (plans,) = waiting
        lease = searching.claim(plans)
        assert searching.size(lease) == 0
        searching.end(lease, [])
        assert [searching.size(searching.claim(fleet)) for fleet in searching.queued()] == [1]


def test_a_search_without_a_winner_refits_nothing(searching: Searching) -> None:
    while queued := searching.queued():
        lease = searching.claim(queued[0])
        searching.end(lease, [bad()] * searching.size(lease))
    job = searching.job
    assert (job.state, job.trials_planned, job.best) == ("failed", 20, None)


def test_the_baseline_is_noted_in_the_transaction_that_ends_the_fleet(
    intake: JobIntake, database: Database
) -> None:
    job_id = intake.accept(JobSpec.model_validate({"dataset": {"builtin": "circle"}})).id
    with database.write() as session:
        lease = claimed(session, jobs.fleets(session, job_id)[0].id)
    measured = Baseline(name="boosting", metrics={"test_accuracy": 0.9}, seconds=0.1)
    finish_fleet(database, lease, results=[good()], file=RESULT, baseline=measured)
    with database.read() as session:
        noted = {event.type: event.data for event in events.event_page(session, job_id).items}
        assert jobs.find_job(session, job_id).state == "succeeded"
    assert noted["baseline"] == measured.model_dump()


@pytest.mark.slow
def test_a_long_comparison_goes_on_to_its_end(comparing: Searching) -> None:
    assert (comparing.job.trials_total, comparing.job.trials_planned) == (1100, 600)
    planned = []
    while queued := comparing.queued():
        lease = comparing.claim(queued[0])
        comparing.end(lease, [good()] * comparing.size(lease))
        planned.append(comparing.job.trials_planned)
    assert planned == sorted(planned)
    assert len(set(planned)) > 2
    job = comparing.job
    assert (job.state, job.trials_planned, job.trials_finished) == ("succeeded", 1100, 1100)
    with comparing.database.read() as session:
        rows = jobs.trials(session, job)
    places = sorted((row.configuration, row.repeat) for row in rows)
    assert places == [(number, repeat) for number in range(11) for repeat in range(100)]
    assert all(row.overrides is None for row in rows)


def test_a_comparison_whose_fleet_kills_its_trainers_goes_on(comparing: Searching) -> None:
    """Its supervisor queues a fleet that only plans."""
    for fleet in comparing.queued():
        lease = comparing.claim(fleet)
        with comparing.database.write() as session:
            fleets.crashed(session, lease, "signal 9", max_attempts=1)
    (plans,) = comparing.queued()
    lease = comparing.claim(plans)
    assert comparing.size(lease) == 0
    comparing.end(lease, [])
    job = comparing.job
    assert (job.trials_failed, job.trials_planned) == (600, 1100)
    assert comparing.queued()


class Appraisals:
    """Appraises, and remembers what it was shown."""

    def __init__(self, meanwhile: Callable[[], None] | None = None) -> None:
        self.shown: list[Ended] = []
        self._meanwhile = meanwhile

    def __call__(self, ended: Ended) -> Appraised:
        self.shown.append(ended)
        if self._meanwhile is not None:
            self._meanwhile()
        return Appraised(Appraisal(verdict="told", part="test", rows=1))


def test_the_last_fleet_of_a_search_appraises_it(searching: Searching) -> None:
    best, appraise = 13, Appraisals()
    while queued := searching.queued():
        assert appraise.shown == []
        lease = searching.claim(queued[0])
        with searching.database.read() as session:
            rows = sorted(jobs.trials(session, searching.job), key=lambda row: row.position)
        numbers = [row.configuration for row in rows if row.fleet_id == lease.fleet_id]
        results = [good(0.1 if number == best else 0.5) for number in numbers]
        searching.end(lease, results, appraise)
    (ended,) = appraise.shown
    assert (ended.winner, len(ended.groups)) == (best, 20)
    with searching.database.read() as session:
        told = jobs.find_job(session, searching.job_id).appraisal
    assert told is not None
    assert told.verdict == "told"


@pytest.mark.parametrize("first_sees_second", [True, False])
def test_of_two_last_fleets_that_end_at_once_one_appraises(
    intake: JobIntake,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    *,
    first_sees_second: bool,
) -> None:
    """Each looks while the other is open; whoever is later in its transaction looks again."""
    compare = [{"name": "a"}, {"name": "b", "network": {"kind": "mlp", "hidden": [3]}}]
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, "compare": compare})
    job_id = intake.accept(spec).id
    with database.write() as session:
        first, second = [claimed(session, fleet.id) for fleet in jobs.fleets(session, job_id)]
    appraise = Appraisals()
    look, looked = module._ended, list[Lease]()

    def meanwhile(_: Database, lease: Lease, *arguments: Any) -> Any:
        seen = look(database, lease, *arguments)
        looked.append(lease)
        if first_sees_second and len(looked) == 1:
            end(second)
        return seen

    def end(lease: Lease) -> None:
        finish_fleet(database, lease, results=[good()], file=RESULT, appraise=appraise)

    monkeypatch.setattr(module, "_ended", meanwhile)
    end(first)
    if not first_sees_second:
        end(second)
    assert looked == ([first, second, first] if first_sees_second else [first, second])
    assert len(appraise.shown) == 1
    with database.read() as session:
        job = jobs.find_job(session, job_id)
        assert (job.state, job.appraisal is not None) == ("succeeded", True)


def test_a_job_without_a_winner_is_not_appraised(searching: Searching) -> None:
    appraise = Appraisals()
    while queued := searching.queued():
        lease = searching.claim(queued[0])
        searching.end(lease, [bad()] * searching.size(lease), appraise)
    assert (searching.job.state, appraise.shown) == ("failed", [])
