"""The whole life of jobs as a state machine, on both databases: whatever workers, the doorbell, the
reconciler's clock and users do, in any order, no promise is broken, and all comes to an end.

Workers here are leases that were given out. They may go on, stop, be forgotten and come back with
what they know; their messages may be lost, come twice, or in another order.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, update

from tests.databases import KINDS, Databases
from tests.rows import RESULT, accept, error, good, trial
from tests.unit.runtime.test_reconciler import Bell, Clock
from worker.errors import ConflictError
from worker.runtime.reconciler import Reconciler
from worker.settings import ServiceSettings
from worker.shares import Shares, TenantOverrides
from worker.storage import fleets, jobs, progress, turns
from worker.storage.database import Database
from worker.storage.fleets import Lease, StaleToken
from worker.storage.outcome import POISON
from worker.storage.states import OPEN, TERMINAL, State
from worker.storage.tables import Fleet, Job, TrialRow

LEASE_SECONDS, MAX_ATTEMPTS, EPOCHS = 30.0, 3, 10
SHARES = Shares(
    others={"few": TenantOverrides(weight=2.0), "one": TenantOverrides(running_fleets=1)}
)
TENANTS = ["many", "few", "one"]
WORKS = ["beat", "beat", "checkpoint", "finish", "fail", "crash", "crash", "yield", "yield"]
WORKS += ["fail", "release"]
"""What a worker may do with a lease."""
dice = st.randoms(use_true_random=True)
"""Chooses evenly, which Hypothesis's own strategies do not promise, by a seed that it gives."""
pick = dice.map(lambda random: random.randrange(2**16))
"""Which of those that there are, by the remainder."""


def one_of(*choices: str) -> st.SearchStrategy[str]:
    """Each as often as the others."""
    return dice.map(lambda random: random.choice(choices))


class Life(RuleBasedStateMachine):
    """One database, one reconciler, any number of workers."""

    database: ClassVar[Database]
    folder: ClassVar[Path]
    seen: ClassVar[Counter[str]]
    """What has happened in all runs: a test in which nothing happens proves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.bell = Clock(), Bell()
        self.leases: list[Lease] = []
        self.ended: dict[str, str] = {}
        """Jobs and fleets that were seen in a terminal state."""
        self.crashes: Counter[str] = Counter()
        """Of each fleet, since its last progress."""
        self.epochs: Counter[str] = Counter()
        self.jobs: list[str] = []
        self.tenants: dict[str, str] = {}
        """Of each job."""

    @initialize()
    def begin(self) -> None:
        """A reconciler that has just started."""
        given = ServiceSettings(
            state=self.folder,
            lease_seconds=LEASE_SECONDS,
            heartbeat_seconds=1.0,
            ring_after_seconds=15.0,
            max_attempts=MAX_ATTEMPTS,
            tenants=SHARES.others,
        )
        self.reconciler = Reconciler(given, self.database, self.bell, clock=self.clock)
        self.post([1, 2])

    # What users do

    @rule(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3), tenant=one_of(*TENANTS))
    def post(self, sizes: list[int], tenant: str = TENANTS[0]) -> None:
        groups = [[trial(f"{n}.{k}", configuration=k) for k in range(size)] for n, size in
                  enumerate(sizes)]  # fmt: skip
        with self.database.write() as session:
            job, _ = accept(session, *groups, epochs=EPOCHS, tenant=tenant)
            self.jobs.append(job.id)
            self.tenants[job.id] = tenant
        self.seen["accepted"] += 1
        self.reconciler.tick()  # as the service has it look at once

    @rule(which=pick, what=one_of("pause", "resume", "resume", "cancel"))
    def ask(self, which: int, what: str) -> None:
        job_id = self.jobs[which % len(self.jobs)]
        asked: dict[str, Callable[..., Job]] = {
            "cancel": jobs.request_cancel,
            "pause": jobs.request_pause,
            "resume": jobs.request_resume,
        }
        try:
            with self.database.write() as session:
                asked[what](session, job_id, tenant=self.tenants[job_id])
            self.seen[what] += 1
        except ConflictError:
            job = self._rows()[0][job_id]
            assert job.state in TERMINAL or job.cancel_requested

    # What the reconciler and the doorbell do

    @rule(seconds=st.sampled_from([LEASE_SECONDS + 1.0, 16.0, LEASE_SECONDS + 1.0, 0.5]))
    def reconcile(self, seconds: float) -> None:
        self.clock.now += seconds
        self._skip_pauses()
        before = self._running()
        self.reconciler.tick()
        self.seen["taken back"] += len(before - self._running())

    @rule(which=pick, what=one_of("heard", "heard", "heard twice", "lost"))
    def message(self, which: int, what: str) -> None:
        if not self.bell.rung:
            self.reconcile(16.0)
        if not self.bell.rung:
            return
        place = which % len(self.bell.rung)
        if what != "lost":
            self._claim(self.bell.rung[place])
        if what != "heard twice":
            self.bell.rung.pop(place)

    # What workers do

    @rule(which=pick, what=one_of(*WORKS), number=st.integers(1, 3))
    def work(self, which: int, what: str, number: int) -> None:
        if not self.leases:
            self.message(0, "heard")
        if not self.leases:
            return
        lease = self.leases[which % len(self.leases)]
        getattr(self, f"_{what}")(lease, number)

    def _beat(self, lease: Lease, number: int) -> None:
        asked = self._write(lease, lambda session: fleets.heartbeat(session, lease))
        if asked == State.CANCELLED:
            self._write(lease, lambda session: fleets.cancel(session, lease))
        elif asked == State.PAUSED:
            self._write(lease, lambda session: fleets.release(session, lease))

    def _checkpoint(self, lease: Lease, number: int) -> None:
        epoch = min(EPOCHS, self.epochs[lease.fleet_id] + number)

        def save(session: Any) -> None:
            path = f"{lease.fleet_id}/{lease.token}/{epoch}"
            progress.save_checkpoint(
                session, lease, epoch=epoch, path=path, sha256="0" * 64, bytes=1
            )

        further = epoch > self.epochs[lease.fleet_id]
        if self._write(lease, save, "checkpoint") is not StaleToken and further:
            self.epochs[lease.fleet_id] = epoch
            self.crashes[lease.fleet_id] = 0

    def _finish(self, lease: Lease, number: int) -> None:
        results = [good()] * self._trials(lease.fleet_id)
        self._write(lease, lambda session: fleets.finish(session, lease, results, RESULT), "finish")

    def _fail(self, lease: Lease, number: int) -> None:
        self._write(lease, lambda session: fleets.fail(session, lease, error()), "fail")

    def _crash(self, lease: Lease, number: int) -> None:
        def give_back(session: Any) -> None:
            fleets.crashed(session, lease, "it died", max_attempts=MAX_ATTEMPTS)

        if self._write(lease, give_back, "crash") is not StaleToken:
            self.crashes[lease.fleet_id] += 1

    def _release(self, lease: Lease, number: int) -> None:
        self._write(lease, lambda session: fleets.release(session, lease), "release")

    def _yield(self, lease: Lease, number: int) -> None:
        def make_room(session: Any) -> bool:
            fleets.heartbeat(session, lease)
            return turns.make_room(session, lease.fleet_id, shares=SHARES)

        if self._write(lease, make_room) is True:
            self._write(lease, lambda session: fleets.release(session, lease), "yield")

    # What holds, whatever happens

    @invariant()
    def all_is_as_it_was_promised(self) -> None:
        rows, by_job = self._rows()
        for row in [*rows.values(), *(fleet for group in by_job.values() for fleet in group)]:
            if row.id in self.ended:
                assert row.state == self.ended[row.id], f"{row.id} left {self.ended[row.id]}"
            elif row.state in TERMINAL:
                self.ended[row.id] = row.state
        for job_id, job in rows.items():
            self._check_job(job, by_job[job_id])
            for fleet in by_job[job_id]:
                self._check_fleet(fleet)
        running = [
            self.tenants[fleet.job_id]
            for group in by_job.values()
            for fleet in group
            if fleet.state == State.RUNNING
        ]
        assert running.count("one") <= 1

    def _check_job(self, job: Job, of_job: list[Fleet]) -> None:
        """A job stands where its fleets do."""
        states = {fleet.state for fleet in of_job}
        if job.state in TERMINAL:
            assert not states & OPEN
            return
        assert states & OPEN, f"{job.id} waits for nothing"
        if State.RUNNING in states:
            assert job.state == State.RUNNING
        elif job.pause_requested:
            assert job.state == State.PAUSED
        else:  # between two of its fleets a job is still said to run
            assert job.state in (State.QUEUED, State.RUNNING)

    def _check_fleet(self, fleet: Fleet) -> None:
        """One lease at most is good; only crashes count."""
        current = [
            lease
            for lease in self.leases
            if (lease.fleet_id, lease.token) == (fleet.id, fleet.token)
        ]
        assert fleet.state != State.RUNNING or len(current) == 1
        if fleet.error is not None and fleet.error.code == POISON:
            self.seen["poison"] += 1
            assert self.crashes[fleet.id] >= MAX_ATTEMPTS

    def teardown(self) -> None:
        """All workers are gone, and new ones do their work: each job comes to an end."""
        if not hasattr(self, "reconciler"):
            return
        for job_id, job in self._rows()[0].items():
            if job.state not in TERMINAL and job.pause_requested:
                with self.database.write() as session:
                    jobs.request_resume(session, job_id, tenant=self.tenants[job_id])
        for _ in range(40):
            self.clock.now += LEASE_SECONDS + 1.0
            self._skip_pauses()
            self.reconciler.tick()
            rung, self.bell.rung = self.bell.rung, []
            for fleet_id in rung:
                lease = self._claim(fleet_id)
                if lease is not None:
                    results = [good()] * self._trials(fleet_id)
                    with self.database.write() as session:
                        fleets.finish(session, lease, results, RESULT)
            if not any(job.state in OPEN for job in self._rows()[0].values()):
                break
        for job_id, job in self._rows()[0].items():
            assert job.state in TERMINAL, f"{job_id} is {job.state} for ever"
        self.all_is_as_it_was_promised()

    # How it is done

    def _skip_pauses(self) -> None:
        """Pauses between attempts are over: the database has a clock of its own."""
        with self.database.write() as session:
            session.execute(update(Fleet).values(not_before=None))

    def _claim(self, fleet_id: str) -> Lease | None:
        self._skip_pauses()
        with self.database.write() as session:
            lease = fleets.claim(session, fleet_id, owner="test", shares=SHARES)
        if lease is None:
            return None
        self.seen["claimed"] += 1
        for other in self.leases:
            if other.fleet_id == fleet_id:
                with self.database.write() as session, pytest.raises(StaleToken):
                    fleets.heartbeat(session, other)
        self.leases.append(lease)
        return lease

    def _write(self, lease: Lease, write: Callable[[Any], Any], what: str = "beat") -> Any:
        """What a write gives back; ``StaleToken`` where it was refused, which must be right."""
        with self.database.read() as session:
            fleet = session.get_one(Fleet, lease.fleet_id)
            current = (fleet.token, fleet.state) == (lease.token, State.RUNNING)
        try:
            with self.database.write() as session:
                given = write(session)
        except StaleToken:
            assert not current, f"{what} was refused"
            self.seen["fenced"] += 1
            return StaleToken
        assert current, f"{what} of a stale lease was taken"
        self.seen[what] += 1
        return given

    def _rows(self) -> tuple[dict[str, Job], dict[str, list[Fleet]]]:
        with self.database.read() as session:
            rows = {
                job.id: job for job in session.scalars(select(Job).where(Job.id.in_(self.jobs)))
            }
            by_job: dict[str, list[Fleet]] = {job_id: [] for job_id in rows}
            for fleet in session.scalars(select(Fleet).where(Fleet.job_id.in_(self.jobs))):
                by_job[fleet.job_id].append(fleet)
        return rows, by_job

    def _running(self) -> set[str]:
        with self.database.read() as session:
            return set(session.scalars(select(Fleet.id).where(Fleet.state == State.RUNNING)))

    def _trials(self, fleet_id: str) -> int:
        with self.database.read() as session:
            query = select(func.count()).where(TrialRow.fleet_id == fleet_id)
            return int(session.scalar(query) or 0)


MUST_HAPPEN = {
    *("accepted", "claimed", "beat", "checkpoint", "finish", "fail", "crash", "release", "fenced"),
    *("yield", "cancel", "pause", "resume", "taken back"),
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_no_order_of_events_breaks_a_promise(
    kind: str, databases: Databases, tmp_path: Path
) -> None:
    with databases.new(kind, tmp_path) as database:
        counted: Counter[str] = Counter()

        class Here(Life):
            pass

        Here.database, Here.folder, Here.seen = database, tmp_path, counted
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                deadline=None,
                derandomize=True,
                # What fails is short enough to be read; to shrink it takes minutes.
                phases=[Phase.explicit, Phase.reuse, Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert MUST_HAPPEN - counted.keys() == set(), counted
