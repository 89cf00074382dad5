"""The last fleet of a search: its winner once more, on training and validation rows together."""

from collections.abc import Sequence
from dataclasses import replace

from worker.data import Outline
from worker.search.configurations import Configuration
from worker.search.plan import FleetPlan, group
from worker.search.space import LONGEST_NAME
from worker.spec import JobSpec, Trial

REFITTED = "refitted"
REFERENCE = "unregularized, refitted"


def refit_outline(outline: Outline) -> Outline:
    """What is known of the rows of a refit: one split, and none left to validate on."""
    held_out = outline.test_rows[0] if len(outline.train_rows) == 1 else 0
    return replace(
        outline,
        train_rows=(outline.train_rows[0] + outline.validation_rows[0],),
        validation_rows=(0,),
        test_rows=(held_out,),
    )


def refit(
    spec: JobSpec,
    outline: Outline,
    chosen: Sequence[tuple[int, Configuration]],
    *,
    first: int,
    objective: str,
    maximize: bool,
) -> list[FleetPlan]:
    """The fleets that refit some configurations, each with all repeats.

    Args:
        spec: the job.
        outline: of its data, as searched.
        chosen: the configurations' numbers, and what they are; the winner first.
        first: the number of the first refit, above all numbers of the search.
        objective: the search's, which these trials do not have: they do not compete.
        maximize: whether more of it is better.
    """
    trials = [
        Trial(
            name=_name(configuration.name, REFERENCE if place else REFITTED),
            configuration=first + place,
            repeat=repeat,
            refit=number,
            network=configuration.network,
            regularization=configuration.regularization,
            training=configuration.training.model_copy(
                update={"seed": (configuration.training.seed + repeat) % 2**32}
            ),
        )
        for place, (number, configuration) in enumerate(chosen)
        for repeat in range(spec.repeats)
    ]
    return group(trials, refit_outline(outline), objective, maximize=maximize)


def _name(base: str, role: str) -> str:
    """Both within the length that names may have."""
    room = LONGEST_NAME - len(role) - len(" ()")
    return f"{base if len(base) <= room else f'{base[: room - 1]}…'} ({role})"
