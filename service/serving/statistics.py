"""Statistics of one model in this process: how often, how large, how long, how strange."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from worker.results import PredictionWarning

STAGES = ("read", "queue", "compute", "write")
"""What the time of a request goes into: reading it and encoding its rows, waiting to be computed,
computing, writing the answer."""


@dataclass
class Statistics:
    """Sums since the model was loaded."""

    requests: int = 0
    rows: int = 0
    failures: int = 0
    failed_ns: int = 0
    refused: int = 0
    """Requests that were not begun, since they could not have ended in time."""
    batches: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Rows of a batch → how many such batches were computed, and their nanoseconds."""
    stage_ns: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    warned: dict[tuple[str, str], int] = field(default_factory=dict)
    """(column, code) → rows in which it was met."""
    last_ms: int = 0
    """When the last request came, milliseconds since 1970."""

    def note(self, warnings: Iterable[PredictionWarning]) -> None:
        """Count the rows that answers warned of."""
        for warning in warnings:
            key = (warning.column, warning.code)
            self.warned[key] = self.warned.get(key, 0) + warning.count
