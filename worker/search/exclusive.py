"""Techniques of which a configuration has at most one."""

from collections.abc import Sequence

import numpy as np

from worker.search.space import Dimensions, Overrides, active, place
from worker.spec import Range, Switch

Groups = Sequence[Sequence[str]]
"""Paths of switches, some that exclude each other in each group."""


def settled(
    seed: int, number: int, space: Dimensions, groups: Groups, drawn: Overrides
) -> Overrides:
    """A draw with at most one of each group on: none is as likely as each of them.

    Which one is drawn anew, a function of the seed and the number alone, so that a large group is
    not on more often than a small one. What lies below it is drawn too, where it was off before.
    """
    generator = np.random.default_rng([seed, number, 1])
    whole = dict(drawn)
    for group in groups:
        chosen = int(generator.integers(len(group) + 1))
        for option, path in enumerate(group):
            whole[path] = {} if option == chosen else None
            for below, dimension in space.items():
                if below.startswith(f"{path}.") and below not in whole:
                    share = float(generator.random())
                    if isinstance(dimension, Range):
                        whole[below] = place(dimension, share)
                    elif not isinstance(dimension, Switch):
                        whole[below] = dimension.values[int(share * len(dimension.values))]
    kept = active(space, whole)
    return {path: kept[path] for path in space if path in kept}


def allowed(groups: Groups, overrides: Overrides) -> bool:
    """Whether a configuration has at most one of each group."""
    return all(sum(overrides.get(path) is not None for path in group) <= 1 for group in groups)


def switched_off(space: Dimensions) -> Overrides | None:
    """The configuration with all switches off and nothing else changed; none without switches."""
    found: Overrides = {p: None for p, kind in space.items() if isinstance(kind, Switch)}
    return found or None
