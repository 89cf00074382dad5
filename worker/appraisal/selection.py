"""Which configurations of a library answer together, and with what shares.

Each way is given what C configurations say of N rows, ``[C, N]``: the probability of the true
class, or values. Their mean's is the mean of these, so that the loss of any mean is known from
them alone.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from worker.appraisal.rows import Floats

Loss = Callable[[Floats], Floats]
"""``[…, N]`` → the mean loss, ``[…]``."""
Select = Callable[[NDArray[np.bool_]], Floats]
"""Which rows may select, ``[N]`` → shares ``[C]``."""
BEST_FEW = 5
"""A greedy selection begins with the mean of up to so many of the best."""
BAGS = 10
SHARE = 0.5
"""Of the configurations in each bag."""


def greedy(
    answers: Floats, loss: Loss, size: int, *, bags: int = 1, seed: int = 0
) -> NDArray[np.float64]:
    """Shares ``[C]``, which sum to 1, of a greedy selection with replacement.

    It begins with the mean of the best n configurations, n ≤ 5, that has the least loss; then adds,
    until there are ``size``, whichever makes the loss of the mean least; and ends where that was
    least on the way. In bags, the same is done among a random half of them each time, and the
    shares are the means.

    Source: Caruana, Niculescu-Mizil, Crew & Ksikes 2004, Ensemble selection from libraries of
    models, ICML: sorted initialization, selection with replacement, bagging.
    """
    count = len(answers)
    if bags <= 1:
        return _greedy(answers, loss, size)
    rng = np.random.default_rng(seed)
    shares = np.zeros(count)
    for _ in range(bags):
        chosen = np.sort(rng.permutation(count)[: max(1, round(SHARE * count))])
        shares[chosen] += _greedy(answers[chosen], loss, size)
    return shares / bags


def _greedy(answers: Floats, loss: Loss, size: int) -> NDArray[np.float64]:
    order = np.argsort(loss(answers), kind="stable")
    few = order[: min(BEST_FEW, size)]
    means = np.cumsum(answers[few], axis=0) / np.arange(1, len(few) + 1)[:, None]
    begun = int(np.argmin(loss(means))) + 1
    counts = np.zeros(len(answers))
    counts[few[:begun]] = 1.0
    total = answers[few[:begun]].sum(axis=0)
    best, least = counts.copy(), float(loss(total / begun))
    for number in range(begun + 1, size + 1):
        reached = loss((total + answers) / number)
        added = int(np.argmin(reached))
        counts[added] += 1.0
        total = total + answers[added]
        if reached[added] < least:
            best, least = counts.copy(), float(reached[added])
    return np.asarray(best / best.sum())


def held_back(answers: Floats, groups: NDArray[np.int64], select: Select) -> Floats:
    """What selections say of rows that did not select them, ``[N]``.

    For each group of rows the shares are those that all other rows give. On its own rows a
    selection flatters itself, the more the more it chooses among.

    Args:
        answers: ``[C, N]``.
        groups: ``[N]``, the number of each row's group.
        select: which rows may select, ``[N]`` → shares ``[C]``.

    Source: Stone 1974, Cross-validatory choice and assessment of statistical predictions, JRSS B.
    """
    numbers = np.unique(groups)
    if len(numbers) < 2:
        return np.asarray(select(np.ones(len(groups), dtype=bool)) @ answers)
    found = np.empty(answers.shape[1])
    for number in numbers:
        own = groups == number
        found[own] = select(~own) @ answers[:, own]
    return found


def top(answers: Floats, loss: Loss, size: int) -> NDArray[np.float64]:
    """Shares ``[C]``: the same for each of the best ``size`` configurations."""
    best = np.argsort(loss(answers), kind="stable")[:size]
    shares = np.zeros(len(answers))
    shares[best] = 1.0 / len(best)
    return shares
