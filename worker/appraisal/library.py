"""The library of an ensemble: what each configuration's networks say of the rows that may choose.

These are the validation rows or, of a cross-validation, the rows of all folds, each answered by the
network that was not trained on it; test rows never. Networks are taken fleet by fleet, and only
their scores are kept.

Each configuration is calibrated first: of classes its logits are divided by the temperature that
has the least loss on these rows. Snapshot ensembles are left as they are: a mean of several
networks is softened already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.appraisal.calibration import fit_temperature, true_probabilities
from worker.appraisal.contenders import Contender
from worker.appraisal.rows import Floats, HeldOut, RowScores, row_scores
from worker.spec import Trial

GROUPS = 5
"""Groups of rows: a selection is judged on each by what the others select."""


@dataclass(frozen=True, eq=False)
class LibraryEntry:
    """A configuration in the library."""

    configuration: int
    name: str
    trials: Sequence[Trial]
    """Its networks: repeats, and folds of each."""
    temperature: float
    truth: Floats
    """``[N]``: the probability that it gives to the true class; of a regression its value. The mean
    over its repeats."""
    single: Floats
    """The same of its first repeat alone."""
    scores: NDArray[np.float32]
    """``[R, N, O]``: of each repeat; of a regression values, in the target's unit."""
    halved: bool = False
    """Whether halving let it go before its end."""

    @property
    def networks(self) -> int:
        """How many it has."""
        return len(self.trials)


class Library:
    """The configurations of a job, as they are read; N rows that may choose."""

    def __init__(self, held: HeldOut, *, balanced: bool) -> None:
        """Begin without any.

        Args:
            held: the rows: validation rows or those of all folds.
            balanced: whether all classes weigh the same.
        """
        self.held = held
        self.balanced = balanced and held.target.task != "regression"
        self.weights = row_weights(held, balanced=balanced)
        """``[N]``, which sum to 1."""
        self.entries: list[LibraryEntry] = []

    @property
    def is_regression(self) -> bool:
        """Whether answers are values, and their loss the squared error."""
        return self.held.target.task == "regression"

    def add(self, contenders: Sequence[Contender], *, halved: Sequence[int] = ()) -> None:
        """Take what these configurations' networks say; all of their networks are given."""
        for contender, scores in zip(contenders, row_scores(self.held, contenders), strict=True):
            if scores is not None and np.isfinite(scores.scores).all():
                entry = self._entry(contender, scores, halved=contender.configuration in halved)
                self.entries.append(entry)

    def _entry(self, contender: Contender, scores: RowScores, *, halved: bool) -> LibraryEntry:
        temperature, kept = 1.0, scores.scores
        if self.is_regression:
            values = scores.values()
            truth, single = values.mean(axis=0), values[0]
            kept = values[..., None].astype(np.float32)
        else:
            logits = scores.scores.astype(np.float64)
            classes = np.asarray(self.held.truth, dtype=np.int64)
            if not any(one.file.manifest.members[one.position] for one in contender.trials):
                temperature = fit_temperature(logits, classes, self.weights)
            truth = true_probabilities(logits / temperature, classes)
            single = true_probabilities(logits[:1] / temperature, classes)
        used = {repeat for repeat, _ in scores.places}
        trials = [one.trial for one in contender.trials if one.trial.repeat in used]
        return LibraryEntry(
            configuration=contender.configuration,
            name=contender.name,
            trials=trials,
            temperature=temperature,
            truth=truth,
            single=single,
            scores=kept,
            halved=halved,
        )

    def losses(self, truth: Floats) -> Floats:
        """The loss of each row, ``[…, N]``: −log p in nats; (ŷ − y)² in units of the target's
        variance.
        """
        return self._losses(truth, np.asarray(self.held.truth))

    def _losses(self, truth: Floats, expected: NDArray[Any] | None) -> Floats:
        if self.is_regression and expected is not None:
            unit = max(float(np.var(self.held.truth)), 1e-300)
            return np.asarray(np.square(truth - expected) / unit)
        return np.asarray(-np.log(np.maximum(truth, 1e-15)))

    def loss(self, truth: Floats) -> Floats:
        """Their mean, ``[…]``."""
        return np.asarray((self.losses(truth) * self.weights).sum(axis=-1))

    def loss_on(self, rows: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
        """The mean loss of some rows, of what is said of these alone, ``[…, n]`` → ``[…]``."""
        weights = self.weights[rows] / self.weights[rows].sum()
        part = np.asarray(self.held.truth)[rows] if self.is_regression else None
        return lambda truth: np.asarray((self._losses(truth, part) * weights).sum(axis=-1))

    def groups(self) -> NDArray[np.int64]:
        """``[N]``: rows in five groups, of each class alike, by which selections are judged."""
        order = np.argsort(np.asarray(self.held.truth), kind="stable")
        groups = np.empty(len(order), dtype=np.int64)
        groups[order] = np.arange(len(order)) % GROUPS
        return groups

    def standard_error(self, losses: Floats) -> float | None:
        """Of the weighted mean Σ wᵢ·lᵢ of losses, or of differences of losses, ``[N]``.

        √(Σ_c n_c/(n_c − 1)·Σ (wᵢ·(lᵢ − l̄_c))²) over the classes c where they weigh the same, l̄_c
        the weighted mean within one; else over all rows at once, which is s/√n where all count
        the same.
        """
        groups = np.zeros(len(self.held), dtype=np.int64)
        if self.balanced:
            groups = np.asarray(self.held.truth, dtype=np.int64)
        total = 0.0
        for group in np.unique(groups):
            own = groups == group
            if own.sum() < 2:
                return None
            count, weights = int(own.sum()), self.weights[own]
            if not weights.any():
                continue
            mean = float((losses[own] * weights).sum() / weights.sum())
            apart = float(np.square(weights * (losses[own] - mean)).sum())
            total += count / (count - 1) * apart
        return float(np.sqrt(total))


def row_weights(held: HeldOut, *, balanced: bool) -> NDArray[np.float64]:
    """Of N rows, ``[N]``, which sum to 1: what the job says that they count; balanced, each class
    that occurs has the same sum.
    """
    counts = np.ones(len(held)) if held.weights is None else held.weights
    if not balanced or held.target.task == "regression":
        return np.asarray(counts / max(float(counts.sum()), 1e-300))
    classes = np.asarray(held.truth, dtype=np.int64)
    sums = np.bincount(classes, weights=counts, minlength=len(held.target.classes))
    known = np.where(sums > 0, sums, 1.0)
    return np.asarray(counts / (known[classes] * max(int((sums > 0).sum()), 1)))
