"""What a job will cost, before it is accepted: its formula, corrected by a probe.

A probe trains the fleet that takes longest for a few steps. One is at work at a time, with one
thread and for a bounded time, and what it found serves all jobs of the same structure.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from math import sqrt

from service.schemas.jobs import Estimate
from worker.data import Outline, Prepared
from worker.jobs import Proposal, has_gpu
from worker.lru import Lru
from worker.regularization import EarlyStopping
from worker.search import Cost, FleetCost, FleetPlan, structure
from worker.settings import ServiceSettings
from worker.spec import Builtin, BuiltinName, JobSpec, Trial
from worker.training import Probe, probe, threads_for

PROBE_SECONDS = 0.15
"""Time for the steps of a probe; building it and measuring may take as long again."""
MEASURED_ROWS = 512
LARGEST_STATE = 96 * 2**20
LARGEST_SAMPLE = 32 * 2**20
"""Bytes beyond which a probe would take longer to build than it may take altogether."""
PROBES = 256
"""Most structures whose probes are kept."""

FLEET_SECONDS, TRIAL_SECONDS = 0.12, 0.0005
"""What each fleet and each trial take beside their training: a claim, the data, the results."""
LIBRARY_SECONDS = 0.9
"""For each fleet on data that scikit-learn carries: its trainer imports that first."""
BOOSTING_SECONDS = 1.2
"""The reference of gradient boosting, and the import of scikit-learn."""
AFTER_A_PROBE, BY_FORMULA = (0.4, 2.5), (1 / 6, 2.5)
"""How far the truth may lie below and above. The formula was fitted to small networks, and errs
upwards for wide ones."""
SPEED = 0.6
"""n threads are n to this power as fast as one: two were 1.4 to 1.8 times as fast, by the width."""
GPU = "Workers train on a GPU, whose pace is not known before it has trained something."

SampleRows = Callable[[int, int], Prepared]
"""(rows to train on, rows beside them) → a sample of that size, prepared as for the job."""


class Estimator:
    """Estimates, and the probes that they are made from. Every thread may ask it."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._threads = settings.threads
        self._workers = settings.workers
        self._has_gpu = has_gpu(settings)
        self._probes: Lru[tuple[object, ...], Probe] = Lru(PROBES)
        self._probing = threading.Lock()

    def estimate(self, proposal: Proposal, sample: SampleRows) -> Estimate:
        """Seconds on this machine's processor and bytes of the largest fleet.

        The fleet of the first wave that takes longest by the formula is probed, and the formula of
        all corrected by what came out. Where a probe would take too long, or another is at work,
        it is the formula alone.
        """
        cost = proposal.cost
        if self._has_gpu:
            return Estimate(
                seconds=None, low=None, high=None, reason=GPU, bytes=cost.bytes, method="formula"
            )
        fleets = [FleetCost.of(plan.trials, proposal.outline) for plan in proposal.plans]
        longest = max(fleets, key=lambda fleet: fleet.seconds)
        plan = proposal.plans[fleets.index(longest)]
        probed = self._probe(longest, plan, proposal.outline, sample)
        training, size = cost.seconds, cost.bytes
        if probed is not None:
            threads = self._threads_of(longest, proposal.outline)
            training *= _corrected(longest, probed) / longest.seconds / threads**SPEED
            held = probed.state_bytes + longest.step_bytes + longest.data_bytes
            size = max(held, *(fleet.bytes for fleet in fleets if fleet is not longest), 0)
        below, above = BY_FORMULA if probed is None else AFTER_A_PROBE
        earliest = training * _share_before_stopping(proposal.plans, fleets)
        fixed = _beside_training(proposal.spec, cost)
        return _within(
            proposal.spec,
            low=below * (fixed + earliest),
            seconds=fixed + sqrt(training * earliest),
            high=above * (fixed + training),
            size=size,
            method="formula" if probed is None else "probe",
        )

    def _probe(
        self, fleet: FleetCost, plan: FleetPlan, outline: Outline, sample: SampleRows
    ) -> Probe | None:
        if not can_be_probed(fleet):
            return None
        key = _kind(fleet, plan.trials, outline)
        known = self._probes.peek(key)
        if known is not None or not self._probing.acquire(timeout=PROBE_SECONDS):
            return known
        try:
            prepared = sample(*sampled(fleet))
            return self._probes.get(key, lambda: probe(plan.trials, prepared, PROBE_SECONDS))
        finally:
            self._probing.release()

    def _threads_of(self, fleet: FleetCost, outline: Outline) -> int:
        """As many as a trainer takes for it."""
        if len(outline.shape) > 1:
            return self._threads
        return threads_for(
            trials=fleet.trials,
            batch_size=fleet.batch,
            parameters=fleet.layout.parameters,
            limit=self._threads,
        )


def sampled(fleet: FleetCost) -> tuple[int, int]:
    """Rows to train on and rows beside them, in a probe."""
    train = min(fleet.batch, 8 * MEASURED_ROWS) if fleet.solved else fleet.batch
    return train, max(0, min(fleet.rows, MEASURED_ROWS) - train)


def can_be_probed(fleet: FleetCost) -> bool:
    """Whether a probe stays within its time."""
    train, held_out = sampled(fleet)
    # The first step, one more, and measuring.
    seconds = 2 * fleet.step_seconds(train) + fleet.measure_seconds(train + held_out)
    return (
        seconds <= PROBE_SECONDS
        and fleet.bytes - fleet.data_bytes <= LARGEST_STATE
        and fleet.encoded_bytes(train + held_out) <= LARGEST_SAMPLE
    )


def _kind(fleet: FleetCost, trials: Sequence[Trial], outline: Outline) -> tuple[object, ...]:
    """What the time of a step depends on: the techniques that are on, not their strengths."""
    names = {name for trial in trials for name, _ in trial.regularization.techniques()}
    return (
        structure(trials[0], outline),
        fleet.trials,
        frozenset(names),
        outline.shape,
        outline.outputs,
        fleet.splits,
        sampled(fleet),
    )


def _corrected(fleet: FleetCost, probed: Probe) -> float:
    """Seconds of a fleet's training, at the pace of its probe."""
    train, held_out = sampled(fleet)
    step = probed.step_seconds * (fleet.batch / train if fleet.solved else 1)
    # Measuring takes a while for any number of rows, and then some for each.
    measured = fleet.measure_seconds(fleet.measured_rows) / fleet.measure_seconds(train + held_out)
    return fleet.training_seconds(step, probed.epoch_seconds * measured)


def _beside_training(spec: JobSpec, cost: Cost) -> float:
    """Seconds of a job in which nothing is trained."""
    dataset, search = spec.dataset, spec.search
    fleet = FLEET_SECONDS
    if isinstance(dataset, Builtin) and dataset.builtin is not BuiltinName.CIRCLE:
        fleet += LIBRARY_SECONDS
    boosting = BOOSTING_SECONDS if search is not None and search.references else 0.0
    return cost.fleets * fleet + cost.trials * TRIAL_SECONDS + boosting


def _share_before_stopping(plans: Sequence[FleetPlan], fleets: Sequence[FleetCost]) -> float:
    """The least share of its training after which all of a job's trials may have stopped."""
    whole = sum(fleet.seconds for fleet in fleets)
    least = sum(
        fleet.seconds * _earliest(plan.trials, fleet.epochs) / fleet.epochs
        for plan, fleet in zip(plans, fleets, strict=True)
    )
    return least / whole


def _earliest(trials: Iterable[Trial], epochs: int) -> int:
    """The first epoch after which all trials may have ended by themselves."""
    last = 1
    for trial in trials:
        if trial.training.optimizer.kind == "solver":
            continue  # it ends when it is solved
        patience = [
            technique.patience
            for _, technique in trial.regularization.techniques()
            if isinstance(technique, EarlyStopping)
        ]
        every = trial.training.evaluate.every
        last = max(last, min(((n + 1) * every for n in patience), default=epochs))
    return min(last, epochs)


def _within(
    spec: JobSpec, *, low: float, seconds: float, high: float, size: int, method: str
) -> Estimate:
    """The estimate, within the budget of a search."""
    budget = None if spec.search is None else spec.search.budget_seconds
    most = float("inf") if budget is None else budget
    return Estimate.model_validate(
        {
            "seconds": _rounded(min(seconds, most)),
            "low": _rounded(min(low, most)),
            "high": _rounded(min(high, most)),
            "reason": None,
            "bytes": size,
            "method": method,
        }
    )


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.3g}")
