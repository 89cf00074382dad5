"""The end of a search: its winner refitted, and what the winner is judged beside.

Imports torch: for trainer processes only.
"""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from worker.data import Prepared
from worker.search.baseline import Baseline, boosting
from worker.search.plan import FleetPlan
from worker.search.refit import refit
from worker.search.space import configure
from worker.search.tpe import Trained
from worker.search.waves import REFERENCE, Search
from worker.storage import events
from worker.storage.configurations import BASELINE
from worker.storage.lease import Lease, hold


def refits(search: Search, trained: Mapping[int, Trained], first: int) -> list[FleetPlan]:
    """The last fleets of a search that refits its winner; none when no configuration succeeded.

    Args:
        search: the search, of which everything has been trained.
        trained: its configurations by number, those without failed members.
        first: the number of the first refit.
    """
    known = [(trial.value, number) for number, trial in trained.items() if trial.value is not None]
    if not known:
        return []
    _, winner = min(known)
    chosen = {winner: trained[winner].overrides}
    if search.reference is not None:
        chosen.setdefault(REFERENCE, search.reference)
    return refit(
        search.spec,
        search.outline,
        [
            (number, configure(search.document, number, overrides))
            for number, overrides in chosen.items()
        ],
        first=first,
        objective=search.objective,
        maximize=search.maximize,
    )


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
            session, job, BASELINE, f"measured {self._found.name}", data=vars(self._found)
        )
