"""A job's networks together: the page to begin with."""

from collections.abc import Sequence

from worker.appraisal.contenders import Contender
from worker.appraisal.rows import held_out
from worker.data import Prepared
from worker.results import Appraisal
from worker.statistics import mean


def appraise(
    prepared: Prepared,
    contenders: Sequence[Contender],
    *,
    winner: int,
    objective: str,
) -> Appraisal | None:
    """What the networks come to on rows that none of them was trained on; none without such rows.

    Args:
        prepared: the job's data, as its trials were trained and measured.
        contenders: the configurations that are looked at, best first.
        winner: the number of that which won.
        objective: the metric by which they are ordered.
    """
    held = held_out(prepared)
    if not len(held):
        return None
    (won,) = (one for one in contenders if one.configuration == winner)
    values = [trial.metrics.get(objective) for trial in won.trials]
    known = [value for value in values if value is not None]
    verdict = f"{won.name} has a mean {objective} of {mean(known):.3g}." if known else won.name
    return Appraisal(verdict=verdict, part=held.part, rows=len(held))
