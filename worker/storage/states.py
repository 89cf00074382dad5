"""The states of jobs, fleets and trials.

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


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
OPEN = frozenset({State.QUEUED, State.RUNNING, State.PAUSED})
