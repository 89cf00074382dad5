"""The states of jobs, fleets and trials, and the kinds of jobs.

::

    queued ──claim──▶ running ──▶ succeeded | failed | cancelled      (terminal: never left again)
      ▲                  │
      └── lease lost, drained, crashed ──┘
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


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
OPEN = frozenset({State.QUEUED, State.RUNNING, State.PAUSED})
