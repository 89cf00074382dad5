"""The states of jobs, fleets and trials, and the kinds of jobs.

::

    paused ◀──pause── queued ──claim──▶ running ──▶ succeeded | failed | cancelled   (never left)
      │ ▲               ▲ ▲                │
      │ │               │ └────────────────┤ lease lost, drained, crashed
      │ └── drained ────│──────────────────┘ the same, once a pause was asked for
      └──── resume ─────┘
"""

from enum import StrEnum


class State(StrEnum):
    """Where a job, a fleet or a trial stands."""

    QUEUED = "queued"
    """Accepted; waits for a worker."""
    RUNNING = "running"
    """Claimed by a worker."""
    PAUSED = "paused"
    """Kept from being claimed until it is resumed."""
    SUCCEEDED = "succeeded"
    """Ended with a result."""
    FAILED = "failed"
    """Ended with an error."""
    CANCELLED = "cancelled"
    """Ended because a user asked for it."""


class Kind(StrEnum):
    """What a job's fleets do. All kinds are claimed, leased, retried and cancelled alike."""

    TRAINING = "training"
    """Its fleets train trials."""
    PREDICTION = "prediction"
    """Its only fleet, which has no trials, scores the rows of a data set by a model."""
    DELETED = "deleted"
    """It had ended, of whatever kind, and nobody finds it any more: its files and rows go."""


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
OPEN = frozenset({State.QUEUED, State.RUNNING, State.PAUSED})
