"""Successive halving: at each rung, the best share of the configurations goes on."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker.results import Rank, rank
from worker.schema import Json

RungValues = Mapping[int, Sequence[float]]
"""``{configuration: the objective of each of its members}``."""
Elsewhere = Callable[[int], RungValues]
"""What the configurations of the job's other fleets had at a rung's epoch."""


def rungs(*, epochs: int, min_epochs: int, eta: int) -> tuple[int, ...]:
    """The epochs after which configurations leave: min_epochs·etaⁱ, below ``epochs``.

    >>> rungs(epochs=81, min_epochs=3, eta=3)
    (3, 9, 27)
    """
    epochs_of_rungs = []
    rung = min_epochs
    while rung < epochs:
        epochs_of_rungs.append(rung)
        rung *= eta
    return tuple(epochs_of_rungs)


def effort(*, epochs: int, min_epochs: int, eta: int) -> float:
    """The share of all trial-epochs that is trained, if nothing ends by itself.

    >>> round(effort(epochs=81, min_epochs=3, eta=3), 3)  # 3 + 6/3 + 18/9 + 54/27 of 81
    0.111
    """
    ends = (*rungs(epochs=epochs, min_epochs=min_epochs, eta=eta), epochs)
    starts = (0, *ends[:-1])
    spans = [end - start for start, end in zip(starts, ends, strict=True)]
    return math.fsum(span / float(eta) ** n for n, span in enumerate(spans)) / epochs


class Halving:
    """Decides which trials of a fleet leave at the end of an epoch.

    Of the n configurations that reached a rung, the best ⌈n/η⌉ go on. A configuration is judged,
    and leaves, as a whole: by the mean over its repeats and folds of the objective at the rung.
    One that has a failed member ranks after whole ones; a member that ended by itself counts with
    its last value; ties go to the lower number (``worker.results.ranking``). Where ``elsewhere``
    tells of other fleets of the job, n counts their configurations too (a mean over members in
    several fleets is one mean), and each fleet decides for its own, with what is known by then,
    waiting for none: the asynchronous rule.

    Source: Jamieson & Talwalkar 2016, arXiv:1502.07943; asynchronous: Li et al. 2020,
    arXiv:1810.05934.
    """

    def __init__(
        self,
        configurations: Sequence[int],
        *,
        epochs: int,
        min_epochs: int,
        eta: int,
        objective: str,
        maximize: bool = False,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """``configurations`` has the configuration's number of each trial, by position."""
        self.rungs = rungs(epochs=epochs, min_epochs=min_epochs, eta=eta)
        self.objective = objective
        self._configurations = tuple(configurations)
        self._eta, self._sign = eta, -1.0 if maximize else 1.0
        self._elsewhere = elsewhere
        self._last: list[float | None] = [None] * len(self._configurations)

    def leaving(
        self,
        epoch: int,
        values: Sequence[float | None],
        *,
        living: Sequence[bool],
        failed: Sequence[bool],
    ) -> list[int]:
        """Take in an epoch's objectives; give the positions of the trials that leave after it.

        One entry a position each; no value for a trial that had ended before this epoch.
        """
        for position, value in enumerate(values):
            if failed[position] or (value is not None and not math.isfinite(value)):
                self._last[position] = None
            elif value is not None:
                self._last[position] = value
        if epoch not in self.rungs:
            return []
        members: dict[int, list[int]] = {}
        for position, configuration in enumerate(self._configurations):
            members.setdefault(configuration, []).append(position)
        own = {
            configuration: [self._last[position] for position in positions]
            for configuration, positions in members.items()
            if any(living[position] for position in positions)
        }
        if not own:
            return []
        staying = self._best(own, {} if self._elsewhere is None else self._elsewhere(epoch))
        return [
            position
            for configuration in own
            if configuration not in staying
            for position in members[configuration]
            if living[position]
        ]

    def _best(self, own: Mapping[int, Sequence[float | None]], others: RungValues) -> set[int]:
        """Which configurations are among the best ⌈n/η⌉ of the n here and elsewhere."""
        pool: dict[int, Sequence[float | None]] = {
            **others,
            **{number: [*values, *others.get(number, ())] for number, values in own.items()},
        }
        order = sorted(pool, key=lambda number: self._rank(number, pool[number]))
        return set(order[: -(-len(order) // self._eta)])

    def _rank(self, number: int, values: Sequence[float | None]) -> Rank:
        scores = [self._sign * value for value in values if value is not None]
        return rank(number, scores, missing=len(values) - len(scores))

    def state(self) -> Json:
        """What it remembers, as JSON: each trial's last objective."""
        return {"last": list(self._last)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` gave."""
        self._last = list(state["last"])
