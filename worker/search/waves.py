"""A search is planned wave by wave: never more fleets at once than workers need ahead of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from worker.data import Outline
from worker.errors import SpecError
from worker.search import auto
from worker.search.corners import check_corners
from worker.search.exclusive import allowed, settled, switched_off
from worker.search.fleet_size import USUAL, FleetLimits
from worker.search.grid import grid
from worker.search.objective import objective
from worker.search.path import path
from worker.search.plan import FleetPlan, check, group, members, members_each
from worker.search.random import draw
from worker.search.space import (
    Dimensions,
    Overrides,
    base,
    configure,
    dimensions,
    name,
    search_of,
)
from worker.search.tpe import Trained, propose
from worker.spec import JobSpec, LinearSpec, SolverSpec, Trial
from worker.spec.search import MOST_TRIALS

TRIALS = 64
"""Configurations of a search that does not say."""
AHEAD = 4
"""Fleets that are open at a time at least, while there is something left to plan."""
LARGE = 1024
"""Trials of a fleet from which one for each worker and one more are enough: planning takes time."""
REFERENCE = 0
"""The number of the configuration with all switches off, in a search with references."""
FIRST = 16
"""Configurations of the first fleets of a search with a budget of time: they set its pace."""
ROUNDS = 10
"""Into how many batches a search that learns is divided."""


@dataclass(frozen=True)
class Refused:
    """A configuration inside the space that cannot be trained, and why."""

    trials: tuple[Trial, ...]
    overrides: Overrides
    objective: str
    error: dict[str, Any]


@dataclass(frozen=True)
class Wave:
    """Some configurations, from ``first`` up to ``end``, as fleets."""

    first: int
    end: int
    plans: tuple[FleetPlan, ...]
    refused: tuple[Refused, ...] = ()


class Search:
    """One search on its data: how many configurations it has, and what each of them is.

    Everything follows from the job's specification and, for a method that learns, from the results
    so far; nothing is kept between waves.
    """

    def __init__(self, spec: JobSpec, outline: Outline, limits: FleetLimits = USUAL) -> None:
        self.limits = limits
        self.spec, self.outline, self.search = spec, outline, search_of(spec)
        self.space: Dimensions = dimensions(spec)
        self.document = base(spec)
        self.objective, self.maximize = objective(spec, outline)
        self.each = members_each(spec, outline)
        self.reference = switched_off(self.space) if self.search.references else None
        """Configuration 0, all switches off, where the search asks for it and has any."""
        self._listed: list[Overrides] | None = None

    def check(self) -> None:
        """Refuse a space that cannot be searched; ``SpecError`` names the path."""
        check_corners(
            self.space,
            self.document,
            lambda configuration: check(
                next(members(self.spec, self.outline, 0, configuration)), self.outline
            ),
        )

    @property
    def total(self) -> int:
        """How many configurations there will be, if no budget ends it before."""
        asked = self.search.trials
        if self.search.method in ("grid", "path"):
            count = len(self._list())
            return count if asked is None else min(count, asked)
        if asked is None:
            return TRIALS if self.search.budget_seconds is None else MOST_TRIALS
        return asked

    @property
    def fleet(self) -> int:
        """Configurations that are planned for one fleet."""
        count = max(1, self.limits.trials // self.each)
        if self.search.adaptive:
            return min(count, max(8, -(-self.total // ROUNDS)))
        return count

    def affordable(self, first: int, spent: float) -> int | None:
        """How many more configurations the budget pays for, at the pace of the ``first`` ones.

        At least one while any time is left; 0 when it is spent; none without a budget.
        """
        budget = self.search.budget_seconds
        if budget is None:
            return None
        if first == 0:
            return FIRST
        return 0 if spent >= budget else max(1, int(first * (budget - spent) / max(spent, 1e-3)))

    def ahead(self, workers: int) -> int:
        """Fleets that should be open: a method that learns waits for what it learns from, and one
        with a budget for how long it takes.
        """
        if self.search.adaptive or self.search.budget_seconds is not None:
            return max(1, workers)
        return workers + 1 if self.limits.trials > LARGE else max(AHEAD, 2 * workers)

    def wave(
        self,
        first: int,
        *,
        open_fleets: int = 0,
        workers: int = 1,
        history: Sequence[Trained] = (),
        spent: float = 0.0,
    ) -> Wave | None:
        """What to plan next, from configuration ``first``; none when enough is open, or all is.

        ``spent`` are the seconds that the search has taken, of its budget.

        A configuration that cannot be trained, although no corner of the space told of it, is
        refused; it counts.
        """
        missing = self.ahead(workers) - open_fleets
        size, affordable = self.fleet, self.affordable(first, spent)
        if affordable is not None:
            size = min(size, affordable)
        end = min(self.total, first + missing * size)
        if end <= first:
            return None
        trials: list[Trial] = []
        changes: list[Overrides] = []
        refused: list[Refused] = []
        for number, overrides in enumerate(self._overrides(first, end, history), first):
            try:
                found = self._trials(number, overrides)
            except SpecError as error:
                refused.append(self._refuse(number, overrides, error))
                continue
            trials += found
            changes += [overrides] * len(found)
        plans = group(
            trials,
            self.outline,
            self.objective,
            maximize=self.maximize,
            overrides=changes,
            memory=self.limits.memory,
            most=max(self.limits.trials, self.each),
        )
        return Wave(first=first, end=end, plans=tuple(plans), refused=tuple(refused))

    def _trials(self, number: int, overrides: Overrides) -> list[Trial]:
        configuration = configure(self.document, number, overrides)
        found = list(members(self.spec, self.outline, number, configuration))
        check(found[0], self.outline)
        return found

    def _refuse(self, number: int, overrides: Overrides, error: SpecError) -> Refused:
        configuration = configure(self.document, number, {})
        called = replace(configuration, name=name(number, overrides))
        return Refused(
            trials=tuple(members(self.spec, self.outline, number, called)),
            overrides=overrides,
            objective=self.objective,
            error=error.body(),
        )

    def _overrides(self, first: int, end: int, history: Sequence[Trained]) -> list[Overrides]:
        seed, space = self.search.seed, self.space
        if self.search.method in ("grid", "path"):
            return self._list()[first:end]
        if self.search.method == "tpe":
            drawn = propose(seed, first, end - first, space, self.document, history)
        else:
            drawn = [draw(seed, number, space, self.document) for number in range(first, end)]
        found = [
            settled(seed, number, space, self.search.exclusive, overrides)
            for number, overrides in enumerate(drawn, first)
        ]
        if self.reference is not None and first <= REFERENCE < end:
            found[REFERENCE - first] = self.reference
        return found

    def _list(self) -> list[Overrides]:
        if self._listed is None:
            found = (
                path(self.search, self.space)
                if self.search.method == "path"
                else grid(self.search, self.space, self.document)
            )
            self._listed = [] if self.reference is None else [self.reference]
            self._listed += [
                overrides
                for overrides in found
                if overrides != self.reference and allowed(self.search.exclusive, overrides)
            ]
        return self._listed


def resolved(spec: JobSpec, outline: Outline) -> JobSpec:
    """The job with what its search leaves to defaults written out: what is stored and trained.

    A space is written out field by field, since a later release may have other default ranges; and
    a path of a linear network is solved, unless the job names an optimizer.

    Raises:
        SpecError: a space or a path without a default range.
    """
    if spec.search is None:
        return spec
    spec = auto.resolved(spec, outline)
    search = search_of(spec).model_copy(update={"space": dimensions(spec)})
    training = spec.training
    if (
        search.method == "path"
        and isinstance(spec.network, LinearSpec)
        and "optimizer" not in training.model_fields_set
    ):
        training = training.model_copy(update={"optimizer": SolverSpec(kind="solver")})
    return spec.model_copy(update={"search": search, "training": training})
