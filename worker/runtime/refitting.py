"""The end of a search: what its winner is judged beside.

Imports torch: for trainer processes only.
"""

from sqlalchemy.orm import Session

from worker.data import Prepared
from worker.results.search import Baseline
from worker.search.baseline import boosting
from worker.storage import events
from worker.storage.configurations import BASELINE
from worker.storage.lease import Lease, hold


class References:
    """Gradient boosting on a fleet's rows."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._found: Baseline | None = None

    def fit(self, threads: int) -> None:
        """Fit and measure it: seconds on large data, so in no transaction."""
        self._found = boosting(self._prepared, threads=threads)

    def note(self, session: Session, lease: Lease) -> None:
        """Write into the job's log what it came to."""
        if self._found is None:
            return
        job, _ = hold(session, lease)
        events.append(
            session, job, BASELINE, f"measured {self._found.name}", data=self._found.model_dump()
        )
