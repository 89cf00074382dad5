"""What a search trains next: its waves of fleets, and at its end the refit of its winner.

A search is planned wave by wave: never more fleets at once than workers need ahead of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worker.data import Outline
from worker.errors import SpecError
from worker.metrics import is_maximized
from worker.results import Group
from worker.search import auto
from worker.search.objective import check_choice, job_objective
from worker.search.plan import (
    USUAL,
    FleetLimits,
    FleetPlan,
    check_against,
    group,
    replica_count,
    replicas,
)
from worker.search.refit import Chosen, refit
from worker.search.report.axes import axes_of
from worker.search.report.choice import can_be_simpler, winner_of
from worker.search.samplers import (
    Trained,
    all_off,
    grid,
    has_at_most_one,
    keep_at_most_one,
    path_points,
    random_draw,
    tpe_draws,
)
from worker.search.space import (
    Dimensions,
    Overrides,
    configuration_name,
    configure,
    dimensions,
    search_of,
    searched_sections,
)
from worker.search.space_check import check_space
from worker.spec import MOST_TRIALS, JobSpec, LinearSpec, SolverSpec, Trial

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
    """Trials of a configuration that cannot be trained, and why."""

    trials: tuple[Trial, ...]
    error: SpecError
    overrides: Overrides | None = None
    """In a search, what the configuration changes in the job."""


@dataclass(frozen=True)
class Wave:
    """Some configurations of a search, or trials of a comparison, as fleets."""

    first: int
    """The number of the first."""
    end: int
    """One more than the number of the last."""
    plans: tuple[FleetPlan, ...]
    refused: tuple[Refused, ...] = ()


def fleets_ahead(limits: FleetLimits, workers: int) -> int:
    """Fleets that should be open, so that no worker waits for a plan."""
    return workers + 1 if limits.trials > LARGE else max(AHEAD, 2 * workers)


class Search:
    """One search on its data: how many configurations it has, and what each of them is.

    Everything follows from the job's specification and, for a method that learns, from the results
    so far; nothing is kept between waves.
    """

    def __init__(self, spec: JobSpec, outline: Outline, limits: FleetLimits = USUAL) -> None:
        self.limits = limits
        self.spec, self.outline, self.search = spec, outline, search_of(spec)
        self.space: Dimensions = dimensions(spec)
        self.sections = searched_sections(spec)
        self.objective = job_objective(spec, outline)
        self.maximize = is_maximized(self.objective)
        self.replica_count = replica_count(spec)
        """Trials of each configuration."""
        self.reference = all_off(self.space) if self.search.references else None
        """Configuration 0, all switches off, where the search asks for it and has any."""
        self._listed: Sequence[Overrides] | None = None

    def check(self, admit: Callable[[Trial], None] | None = None) -> None:
        """Refuse a space that cannot be searched; ``SpecError`` names the path.

        ``admit`` is asked of its corners, too.
        """

        def check(configuration: Trial) -> None:
            if admit is not None:
                admit(configuration)
            self._check(configuration)

        check_space(self.space, self.sections, check)
        simplest = self.search.choose == "one_standard_error"
        if simplest and not can_be_simpler(axes_of(self.space)):
            raise SpecError(
                "No searched field makes a network smaller or holds it back more or less, so none "
                "of several equally good configurations is the simplest; search a technique or "
                'the network too, or leave search.choose at "best".',
                param="search.choose",
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
    def configurations_per_fleet(self) -> int:
        """Configurations that are planned for one fleet."""
        count = max(1, self.limits.trials // self.replica_count)
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
        # A configuration of thousands of folds and repeats is larger than a fleet should be.
        ahead = fleets_ahead(self.limits, workers)
        return max(workers, min(ahead, ahead * self.limits.trials // self.replica_count))

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
        size, affordable = self.configurations_per_fleet, self.affordable(first, spent)
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
                trials += self._replicas(number, overrides)
            except SpecError as error:
                refused.append(self._refuse(number, overrides, error))
                continue
            changes += [overrides] * self.replica_count
        plans = group(
            trials,
            self.outline,
            overrides=changes,
            memory=self.limits.memory,
            most=max(self.limits.trials, self.replica_count),
        )
        return Wave(first=first, end=end, plans=tuple(plans), refused=tuple(refused))

    def _check(self, configuration: Trial) -> None:
        check_against(self.outline, configuration)  # repeats differ in seed and fold alone

    def _replicas(self, number: int, overrides: Overrides) -> list[Trial]:
        configuration = configure(self.sections, number, overrides)
        self._check(configuration)
        return list(replicas(self.spec, self.outline, configuration))

    def _refuse(self, number: int, overrides: Overrides, error: SpecError) -> Refused:
        configuration = configure(self.sections, number, {}).model_copy(
            update={"name": configuration_name(number, overrides)}
        )
        return Refused(
            trials=tuple(replicas(self.spec, self.outline, configuration)),
            overrides=overrides,
            error=error,
        )

    def _overrides(self, first: int, end: int, history: Sequence[Trained]) -> list[Overrides]:
        seed, space = self.search.seed, self.space
        if self.search.method in ("grid", "path"):
            return list(self._list()[first:end])
        if self.search.adaptive:
            drawn = tpe_draws(seed, first, end - first, space, self.sections, history)
        else:
            drawn = [
                random_draw(seed, number, space, self.sections) for number in range(first, end)
            ]
        drawn = [
            keep_at_most_one(seed, number, space, self.search.exclusive, overrides)
            for number, overrides in enumerate(drawn, first)
        ]
        if self.reference is not None and first <= REFERENCE < end:
            drawn[REFERENCE - first] = self.reference
        return drawn

    def _list(self) -> Sequence[Overrides]:
        if self._listed is None:
            points = (
                path_points(self.search, self.space)
                if self.search.method == "path"
                else grid(self.search, self.space, self.sections)
            )
            if self.reference is None and not self.search.exclusive:
                self._listed = points
                return points
            first = [] if self.reference is None else [self.reference]
            self._listed = first + [
                overrides
                for overrides in points
                if overrides != self.reference and has_at_most_one(self.search.exclusive, overrides)
            ]
        return self._listed

    @property
    def chooses_best(self) -> bool:
        """Whether the best mean wins; else a rule that must know all of them."""
        return self.search.choose == "best"

    def winner(self, groups: Sequence[Group]) -> int | None:
        """The number of the configuration that it chooses; none where none can win."""
        return winner_of(self.search, groups, maximize=self.maximize)

    def refits(self, groups: Sequence[Group], first: int) -> list[FleetPlan]:
        """The last fleets, which refit the winner, and beside it the reference; none without one.

        Args:
            groups: what its configurations came to.
            first: the number of the first refit, above all numbers of the search.
        """
        winner = self.winner(groups)
        if winner is None:
            return []
        known = {group.number: group for group in groups}
        chosen = {winner: known[winner].overrides}
        if self.reference is not None:
            chosen.setdefault(REFERENCE, self.reference)
        return refit(
            self.spec,
            self.outline,
            [
                Chosen(configure(self.sections, number, overrides), known[number].best_epochs)
                for number, overrides in chosen.items()
            ],
            first=first,
        )


def resolve_search(spec: JobSpec, outline: Outline) -> JobSpec:
    """The job with what its search leaves to defaults written out: what is stored and trained.

    A space is written out field by field, since a later release may have other default ranges; and
    a path of a linear network is solved, unless the job names an optimizer.

    Raises:
        SpecError: a space or a path without a default range, or no rows that may choose.
    """
    if spec.search is None:
        return spec
    check_choice(spec, outline)
    spec = auto.resolve_auto(spec, outline)
    search = search_of(spec).model_copy(update={"space": dimensions(spec)})
    training = spec.training
    if (
        search.method == "path"
        and isinstance(spec.network, LinearSpec)
        and "optimizer" not in training.model_fields_set
    ):
        training = training.model_copy(update={"optimizer": SolverSpec(kind="solver")})
    return spec.model_copy(update={"search": search, "training": training})
