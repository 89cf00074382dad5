"""Which networks of a job answer together, and whether they are better than one: the candidates,
and the choice among them on the rows that may choose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worker.appraisal.library import Library, LibraryEntry
from worker.appraisal.rows import Floats
from worker.appraisal.selection import BAGS, Select, greedy, held_back, top
from worker.results import (
    Choice,
    ChoiceCandidate,
    EnsembleConfiguration,
    EnsembleKind,
)

SURE = 2.0
"""Standard errors from which on a difference from the network without techniques is one."""
SIMPLEST_FIRST: tuple[EnsembleKind, ...] = (
    "unregularized",
    "winner",
    "folds",
    "all",
    "top",
    "greedy",
)
_WORDS: Mapping[EnsembleKind, str] = {
    "unregularized": "the network without techniques",
    "winner": "the winner by itself",
    "folds": "the mean of the winner's folds",
    "all": "the mean of all configurations",
    "top": "the mean of the best configurations",
    "greedy": "the greedy selection",
}
_REFITTED: Mapping[EnsembleKind, str] = {
    "unregularized": _WORDS["unregularized"],
    "winner": "the winner",
}

Loss = Literal["log_loss", "balanced_log_loss", "squared_error"]


@dataclass(frozen=True, eq=False)
class Servable:
    """Something that could be served."""

    method: EnsembleKind
    shares: Mapping[int, float]
    """Of each configuration that takes part; they sum to 1."""
    truth: Floats
    """``[N]``: what it gives the true class, or its values; of what rows select, as the other rows
    select it."""
    networks: int
    """How many answer; a configuration that answers by itself has as many as it was refitted
    times."""
    alone: bool = False
    """Whether each configuration counts for one training of it, as its first repeat."""

    @property
    def words(self) -> str:
        """What it is, in words."""
        if self.alone and self.networks > 1:
            return f"the mean of {self.networks} refits of {_REFITTED[self.method]}"
        return _WORDS[self.method]


def servables(
    library: Library,
    *,
    size: int,
    winner: int,
    unregularized: int | None = None,
    refits: int = 0,
) -> list[Servable]:
    """All that could be served of a library, the simplest first.

    Args:
        library: the configurations; of those that were halved none is in the mean of all.
        size: most members of a selection.
        winner: the number of the configuration that won.
        unregularized: that of the one without techniques, where there is one.
        refits: how often the winner, and that one, are trained once more on all rows, to answer by
            themselves. The mean of several answers is counted for what one says of the rows: its
            loss is no higher than the mean of theirs. Without refits, of a cross-validation, only
            the networks of its folds can answer.
    """
    entries = library.entries
    if not entries:
        return []
    answers = np.stack([entry.truth for entry in entries])
    by_number = {entry.configuration: entry for entry in entries}
    alone = bool(refits) or library.held.fold is None
    groups = library.groups()

    def several(method: EnsembleKind, select: Select) -> Servable:
        shares = select(np.ones(len(groups), dtype=bool))
        used = [(entries[place], float(shares[place])) for place in np.flatnonzero(shares)]
        return Servable(
            method,
            {entry.configuration: share for entry, share in used},
            held_back(answers, groups, select),
            sum(entry.networks for entry, _ in used),
        )

    def one(method: EnsembleKind, number: int, *, single: bool) -> Servable:
        entry = by_number[number]
        by_itself = entry.single, max(refits, 1)
        truth, networks = by_itself if single else (entry.truth, entry.networks)
        if method != "unregularized" and len(entries) > 1:
            # These rows chose it among many: it is no better than what has the least loss on
            # some of them is on the others.
            whole = np.stack([one.single if single else one.truth for one in entries])
            honest = held_back(whole, groups, lambda rows: best(rows, 1))
            truth = max(truth, honest, key=lambda one: float(library.loss(one)))
        return Servable(method, {number: 1.0}, truth, networks, single)

    def best(rows: NDArray[np.bool_], count: int) -> Floats:
        return top(answers[:, rows], library.loss_on(rows), count)

    def selected(rows: NDArray[np.bool_]) -> Floats:
        return greedy(answers[:, rows], library.loss_on(rows), size, bags=BAGS)

    found: list[Servable] = []
    if unregularized is not None and unregularized in by_number:
        found.append(one("unregularized", unregularized, single=alone))
    if winner in by_number:
        if alone and winner != unregularized:
            found.append(one("winner", winner, single=True))
        if by_number[winner].networks > 1:
            found.append(one("folds", winner, single=False))
    if len(entries) > 1:
        whole = np.array([float(not entry.halved) for entry in entries])
        if whole.any():
            found.append(several("all", lambda _: whole / whole.sum()))
        found.append(several("top", lambda rows: best(rows, size)))
        found.append(several("greedy", selected))
    return found


def choose_served(
    library: Library, found: Sequence[Servable], asked: EnsembleKind | None = None
) -> tuple[Servable, Choice]:
    """The simplest of the candidates that are within one standard error of the best, and why; or
    that which is ``asked`` for, if it is among them.

    The standard error is that of the difference from the best, which is paired over rows.
    """
    losses = [library.losses(candidate.truth) for candidate in found]
    means = [float((one * library.weights).sum()) for one in losses]
    best = int(np.argmin(means))
    shown, good = [], []
    for candidate, own, mean in zip(found, losses, means, strict=True):
        error = library.standard_error(own - losses[best])
        behind = mean - means[best]
        good.append(behind <= (error or 0.0))
        shown.append(
            ChoiceCandidate(
                method=candidate.method,
                networks=candidate.networks,
                loss=mean,
                standard_error=library.standard_error(own),
                behind=behind,
                behind_error=error,
            )
        )
    named = [candidate.method for candidate in found]
    place = named.index(asked) if asked in named else good.index(True)
    chosen = found[place]
    distinct = _distinct(library, found, losses, place)
    by: Loss = "log_loss"
    if library.is_regression:
        by = "squared_error"
    elif library.balanced:
        by = "balanced_log_loss"
    why = f"{chosen.words} has the least loss, {means[place]:.4g}"
    if asked in named:
        why = f"{chosen.words} was asked for; its loss is {means[place]:.4g}"
        if place != best:
            why += f", and that of {found[best].words} {means[best]:.4g}"
    elif place != best:
        why = (
            f"{chosen.words}, {means[place]:.4g}, is within one standard error "
            f"({shown[place].behind_error:.2g}) of {found[best].words}, "
            f"{means[best]:.4g}, and simpler"
        )
    if distinct is False:
        why += "; these rows do not tell it from the network without techniques"
    return chosen, Choice(
        by=by,
        rows=len(library.held),
        candidates=shown,
        chosen=chosen.method,
        distinct=distinct,
        why=why[0].upper() + why[1:] + ".",
    )


def _distinct(
    library: Library, found: Sequence[Servable], losses: Sequence[Floats], place: int
) -> bool | None:
    plain = next((n for n, one in enumerate(found) if one.method == "unregularized"), None)
    if plain is None or plain == place:
        return None
    difference = losses[plain] - losses[place]
    error = library.standard_error(difference)
    return error is not None and float((difference * library.weights).sum()) > SURE * error


def described(library: Library, candidate: Servable) -> list[EnsembleConfiguration]:
    """The configurations of an ensemble, those with the largest share first."""
    by_number: dict[int, LibraryEntry] = {entry.configuration: entry for entry in library.entries}
    ordered = sorted(candidate.shares.items(), key=lambda item: (-item[1], item[0]))
    return [
        EnsembleConfiguration(
            configuration=number,
            name=by_number[number].name,
            networks=candidate.networks if candidate.alone else by_number[number].networks,
            weight=share,
            temperature=by_number[number].temperature,
            loss=float(library.loss(by_number[number].truth)),
        )
        for number, share in ordered
    ]
