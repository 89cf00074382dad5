"""A long comparison is planned in waves, as a search is: trial n is a function of the job and n.

What fits a wave is planned at once by :func:`worker.search.plan.plan`, and so are all comparisons
of people; what 100 repeats and 50 folds make of one would otherwise be hundreds of thousands of
rows at its POST.
"""

from collections.abc import Sequence

from worker.data import Outline
from worker.errors import SpecError
from worker.results import Group
from worker.search.plan import (
    USUAL,
    Configurations,
    FleetLimits,
    FleetPlan,
    check_against,
    group,
    replica_count,
    replicas,
)
from worker.search.refit import Chosen, refit
from worker.search.scheduler import Refused, Wave, fleets_ahead
from worker.spec import JobSpec, Trial

AT_ONCE = 1024
"""Trials that a comparison may have to be planned at once."""


def comparison_trials(spec: JobSpec) -> int:
    """How many trials a job without a search has: configurations × repeats × folds."""
    posted = spec.compare or (None,)
    configurations = len(posted)
    if spec.attribute:
        own = len(list(spec.regularization.techniques()))
        configurations += sum(
            own
            if variant is None or variant.regularization is None
            else len(list(variant.regularization.techniques()))
            for variant in posted
        )
    return configurations * replica_count(spec)


def goes_in_waves(spec: JobSpec) -> bool:
    """Whether the fleets of a job are planned as others end, not all at its POST."""
    return spec.search is not None or comparison_trials(spec) > AT_ONCE


def goes_on(spec: JobSpec) -> bool:
    """Whether something is planned when fleets of a job end: a wave, or the refit of its winner."""
    return spec.refits or goes_in_waves(spec)


class Comparison:
    """The waves of a job that names its configurations, and its refit.

    Its trials are numbered configuration by configuration, repeat by repeat, fold by fold.
    """

    def __init__(self, spec: JobSpec, outline: Outline, limits: FleetLimits = USUAL) -> None:
        self._spec, self._outline, self._limits = spec, outline, limits
        self._configurations = Configurations(spec)
        self._replicas = replica_count(spec)

    @property
    def total(self) -> int:
        """All trials."""
        return len(self._configurations) * self._replicas

    def check(self) -> None:
        """Refuse what was posted and cannot be trained; ``SpecError``.

        What leaves a technique out is checked as its wave comes.
        """
        known: set[tuple[int, int, int]] = set()
        for whole in self._configurations.posted:
            # Members that say nothing of a section share the job's.
            sections = id(whole.network), id(whole.regularization), id(whole.training)
            if sections not in known:
                known.add(sections)
                check_against(self._outline, whole)

    def wave(self, first: int, *, open_fleets: int = 0, workers: int = 1) -> Wave | None:
        """The fleets to plan next, from trial ``first``; none when enough is open, or all is.

        A configuration that cannot be trained is refused; its trials count.
        """
        missing = fleets_ahead(self._limits, workers) - open_fleets
        end = min(self.total, first + missing * self._limits.trials)
        if end <= first:
            return None
        trials: list[Trial] = []
        refused: list[Refused] = []
        for number in range(first // self._replicas, -(-end // self._replicas)):
            configuration = self._configurations[number]
            before = number * self._replicas
            of_it = replicas(
                self._spec,
                self._outline,
                configuration,
                max(first - before, 0),
                min(end - before, self._replicas),
            )
            try:
                check_against(self._outline, configuration)
            except SpecError as error:
                refused.append(Refused(trials=tuple(of_it), error=error))
                continue
            trials += of_it
        plans = group(trials, self._outline, memory=self._limits.memory, most=self._limits.trials)
        return Wave(first=first, end=end, plans=tuple(plans), refused=tuple(refused))

    def winner(self, groups: Sequence[Group]) -> int | None:
        """The number of the best configuration; none where none can win."""
        best = min((group.rank for group in groups if group.rank.wins), default=None)
        return None if best is None else best.configuration

    def refits(self, groups: Sequence[Group]) -> list[FleetPlan]:
        """The last fleets, which refit the winner; none without one."""
        winner = self.winner(groups)
        if winner is None:
            return []
        best_epochs = next(group.best_epochs for group in groups if group.number == winner)
        chosen = Chosen(self._configurations[winner], best_epochs)
        return refit(self._spec, self._outline, [chosen], first=len(self._configurations))
