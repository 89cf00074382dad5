"""What a job will cost, before it is accepted."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from service.schemas.jobs import Estimate
from worker.data import Outline, Prepared
from worker.networks import Layout, lay_out
from worker.search import FleetPlan
from worker.spec import SolverSpec
from worker.training import Probe, probe

# Fitted to the design's measurement of generic layers under autograd: a 2-50-50-1 network at
# batch 32 with L1, L2 and dropout takes 197 µs a step for one trial and 33 µs a trial for 64.
STEP_SECONDS = 165e-6
OPERATIONS_PER_SECOND = 16.5e9
BYTES_PER_PARAMETER = 4 * 6
"""Weight, gradient, two moments, the best and the final weight, in float32."""

PROBE_SECONDS = 0.15
"""Time for the steps of a probe; building it and measuring may take as long again."""
MEASURED_ROWS = 512
LARGEST_STATE = 96 * 2**20
LARGEST_SAMPLE = 32 * 2**20
"""Bytes beyond which a probe would take longer to build than it may take altogether."""

SampleRows = Callable[[int, int], Prepared]
"""(rows to train on, rows beside them) → a sample of that size, prepared as for the job."""

_probing = threading.Lock()


@dataclass(frozen=True)
class _Fleet:
    """A planned fleet in figures."""

    trials: int
    epochs: int
    steps: int
    """An epoch."""
    batch: int
    train_rows: int
    rows: int
    """All of them."""
    splits: int
    inputs: int
    layout: Layout
    solved: bool

    @classmethod
    def of(cls, plan: FleetPlan, outline: Outline) -> "_Fleet":
        first = plan.trials[0]
        optimizer, train = first.training.optimizer, outline.train_rows[first.fold or 0]
        solved = isinstance(optimizer, SolverSpec)
        batch = train if solved else min(first.training.batch_size, train)
        return cls(
            trials=len(plan.trials),
            epochs=first.training.epochs,
            steps=optimizer.iterations
            if isinstance(optimizer, SolverSpec)
            else ceil(train / batch),
            batch=batch,
            train_rows=train,
            rows=outline.rows,
            splits=len(outline.train_rows),
            inputs=outline.inputs,
            layout=max(
                (
                    lay_out(t.network, outline.shape, outline.outputs, t.regularization)
                    for t in plan.trials
                ),
                key=lambda layout: layout.parameters,
            ),
            solved=solved,
        )

    def step_seconds(self, batch: int) -> float:
        """By the formula."""
        operations = 6 * self.trials * batch * self.layout.multiplications
        return STEP_SECONDS + operations / OPERATIONS_PER_SECOND

    def measure_seconds(self, rows: int) -> float:
        """By the formula."""
        operations = 2 * self.trials * rows * self.layout.multiplications
        return STEP_SECONDS + operations / OPERATIONS_PER_SECOND

    def seconds(self, step: float, measuring: float) -> float:
        """Of the whole training."""
        return self.epochs * (self.steps * step + measuring)

    @property
    def formula_seconds(self) -> float:
        return self.seconds(self.step_seconds(self.batch), self.measure_seconds(self.rows))

    @property
    def formula_bytes(self) -> int:
        state = self.trials * self.layout.parameters * BYTES_PER_PARAMETER
        return state + self.step_bytes + self.data_bytes

    @property
    def step_bytes(self) -> int:
        """Of a batch's activations and their gradients."""
        return 2 * 4 * self.trials * self.batch * self.layout.units

    @property
    def data_bytes(self) -> int:
        """Of the encoded data."""
        return self._encoded(self.rows)

    def _encoded(self, rows: int) -> int:
        return 4 * self.splits * rows * self.inputs

    @property
    def sampled(self) -> tuple[int, int]:
        """Rows to train on and rows beside them, in a probe."""
        train = min(self.batch, 8 * MEASURED_ROWS) if self.solved else self.batch
        return train, max(0, min(self.rows, MEASURED_ROWS) - train)

    @property
    def can_be_probed(self) -> bool:
        """Whether a probe stays within its time."""
        train, held_out = self.sampled
        # The first step, one more, and measuring.
        seconds = 2 * self.step_seconds(train) + self.measure_seconds(train + held_out)
        return (
            seconds <= PROBE_SECONDS
            and self.formula_bytes - self.data_bytes <= LARGEST_STATE
            and self._encoded(train + held_out) <= LARGEST_SAMPLE
        )


def largest(plans: Sequence[FleetPlan], outline: Outline) -> int:
    """Trainable parameters of the largest network. Nothing is allocated."""
    return max(_Fleet.of(plan, outline).layout.parameters for plan in plans)


def estimate(
    plans: Sequence[FleetPlan], outline: Outline, sample: SampleRows, *, share: float = 1.0
) -> Estimate:
    """Seconds on this machine's CPU if no trial stops early, and bytes of the largest fleet.

    The fleet that takes longest by the formula is probed, and the formula of the others corrected
    by what came out. Where a probe would take too long, or another is at work, it is the formula
    alone. ``share`` is how many times these fleets there will be.
    """
    fleets = [_Fleet.of(plan, outline) for plan in plans]
    longest = max(fleets, key=lambda fleet: fleet.formula_seconds)
    seconds = share * sum(fleet.formula_seconds for fleet in fleets)
    size = max(fleet.formula_bytes for fleet in fleets)
    probed = _probe(longest, plans[fleets.index(longest)], sample)
    if probed is None:
        return Estimate(seconds=_rounded(seconds), bytes=size, method="formula")
    train, held_out = longest.sampled
    step = probed.step_seconds * (longest.batch / train if longest.solved else 1)
    measuring = probed.measure_seconds * longest.rows / (train + held_out)
    actual = longest.seconds(step, measuring)
    held = probed.state_bytes + longest.step_bytes + longest.data_bytes
    return Estimate(
        seconds=_rounded(seconds * actual / longest.formula_seconds),
        bytes=max(held, *(f.formula_bytes for f in fleets if f is not longest), 0),
        method="probe",
    )


def _probe(fleet: _Fleet, plan: FleetPlan, sample: SampleRows) -> Probe | None:
    if not fleet.can_be_probed or not _probing.acquire(timeout=PROBE_SECONDS):
        return None
    try:
        return probe(plan.trials, sample(*fleet.sampled), PROBE_SECONDS)
    finally:
        _probing.release()


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.3g}")
