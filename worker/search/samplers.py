"""The configurations of a search, by its method: grid, path, random draws, and TPE."""

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite, prod
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from worker.errors import SpecError
from worker.search.space import (
    Dimensions,
    Overrides,
    SectionsJson,
    active,
    applies,
    choices,
    even_values,
    in_few_digits,
    value_at,
)
from worker.spec import MOST_TRIALS, Dimension, Range, SearchSpec, Switch

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

GRID_POINTS = 10
"""Values of a range in a grid unless the search says how many."""
PATH_POINTS = 100
"""Values on a path unless the search says how many."""
MOST_HISTORY = 1000
"""Configurations that TPE learns from: of more, the best and an even choice of the rest."""
STARTUP = 16
"""Configurations that must be known before TPE's draws follow them."""

Groups = Sequence[Sequence[str]]
"""Paths of switches, some that exclude each other in each group."""


class Grid(Sequence[Overrides]):
    """Every combination of the values of some fields, the last changing fastest.

    A combination is made when it is asked for: there may be a hundred thousand.
    """

    def __init__(self, axes: Mapping[str, Sequence[Any]]) -> None:
        self._axes = axes
        self._size = prod(map(len, axes.values()))

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, number: int) -> Overrides: ...
    @overload
    def __getitem__(self, number: slice) -> list[Overrides]: ...
    def __getitem__(self, number: int | slice) -> Overrides | list[Overrides]:
        if isinstance(number, slice):
            return [self[n] for n in range(self._size)[number]]
        rest, places = range(self._size)[number], []
        for values in reversed(list(self._axes.values())):
            rest, place = divmod(rest, len(values))
            places.append(place)
        return {
            path: values[place]
            for (path, values), place in zip(self._axes.items(), reversed(places), strict=True)
        }


def grid(search: SearchSpec, space: Dimensions, document: SectionsJson) -> Sequence[Overrides]:
    """Every combination once, the last field changing fastest.

    Where a technique is off, its fields do not vary.

    Raises:
        SpecError: there are more than a search may have.
    """
    axes = [
        even_values(dimension, search.points or GRID_POINTS)
        if isinstance(dimension, Range)
        else choices(path, dimension, document)
        for path, dimension in space.items()
    ]
    size = prod(map(len, axes))
    if size > MOST_TRIALS:
        raise SpecError(
            f"The grid has {size} combinations, and a search at most {MOST_TRIALS}; name fewer "
            "values, lower search.points, or draw by random.",
            param="search.space",
        )
    nested = any(path.startswith(f"{above}.") for path in space for above in space)
    if not nested and all(_differ(values) for values in axes):
        return Grid(dict(zip(space, axes, strict=True)))
    combinations: dict[str, Overrides] = {}
    for values in product(*axes):
        overrides = active(space, dict(zip(space, values, strict=True)))
        combinations.setdefault(json.dumps(overrides, sort_keys=True), overrides)
    return list(combinations.values())


def _differ(values: Sequence[Any]) -> bool:
    return len({json.dumps(value, sort_keys=True) for value in values}) == len(values)


def path_points(search: SearchSpec, space: Dimensions) -> list[Overrides]:
    """One field from its strongest value to its weakest, such as λ of the lasso.

    The largest value comes first; values that are listed come as they are listed. All are trained
    at once, as one tensor program. For a convex problem that is what a warm start from point to
    point would find as well.
    """
    ((field, dimension),) = space.items()
    if isinstance(dimension, Range):
        values = even_values(dimension, search.trials or search.points or PATH_POINTS)
        return [{field: value} for value in reversed(values)]
    return [{field: value} for value in getattr(dimension, "values", ())]


def random_draw(seed: int, number: int, space: Dimensions, document: SectionsJson) -> Overrides:
    """Configuration ``number`` of a random search: a function of the seed and its number alone.

    Source: Bergstra & Bengio 2012, Random search for hyper-parameter optimization, JMLR 13.
    """
    shares = np.random.default_rng([seed, number]).random(len(space)).tolist()
    drawn: Overrides = {}
    for (path, dimension), share in zip(space.items(), shares, strict=True):
        if isinstance(dimension, Range):
            drawn[path] = value_at(dimension, share)
        else:
            options = choices(path, dimension, document)
            drawn[path] = options[int(share * len(options))]
    return active(space, drawn)


def keep_at_most_one(
    seed: int, number: int, space: Dimensions, groups: Groups, drawn: Overrides
) -> Overrides:
    """A draw with at most one technique of each group on: none is as likely as each of them.

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
                        whole[below] = value_at(dimension, share)
                    elif not isinstance(dimension, Switch):
                        whole[below] = dimension.values[int(share * len(dimension.values))]
    kept = active(space, whole)
    return {path: kept[path] for path in space if path in kept}


def has_at_most_one(groups: Groups, overrides: Overrides) -> bool:
    """Whether a configuration has at most one technique of each group on."""
    return all(sum(overrides.get(path) is not None for path in group) <= 1 for group in groups)


def all_off(space: Dimensions) -> Overrides | None:
    """The configuration with all switches off and nothing else changed; none without switches."""
    return {p: None for p, dimension in space.items() if isinstance(dimension, Switch)} or None


@dataclass(frozen=True)
class Trained:
    """A configuration that was planned: its mean objective, less being better; none as yet."""

    overrides: Overrides
    value: float | None = None


def tpe_draws(
    seed: int,
    first: int,
    count: int,
    space: Dimensions,
    document: SectionsJson,
    history: Sequence[Trained],
) -> list[Overrides]:
    """The next ``count`` configurations near what did well, numbered from ``first``; by Optuna.

    What is still training counts as a poor result, so that draws keep away from it (the constant
    liar); and so do the earlier draws of this call.

    Source: Bergstra et al. 2011, Algorithms for hyper-parameter optimization, NIPS; Optuna's
    multivariate, grouped form, Akiba et al. 2019, arXiv:1907.10902.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        # Optuna says by these that its options may change; the version is pinned.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=(seed * 1_000_003 + first) % 2**32,
            multivariate=True,
            group=True,
            constant_liar=True,
            n_startup_trials=STARTUP,
        )
        study = optuna.create_study(sampler=sampler)
        _add_history(study, _representative(history), space, document)
        return [_ask(study, space, document) for _ in range(count)]


def _add_history(
    study: "Study", history: Iterable[Trained], space: Dimensions, document: SectionsJson
) -> None:
    from optuna.trial import TrialState, create_trial

    for trained in history:
        parameters: Overrides = {}
        distributions: dict[str, BaseDistribution] = {}
        for path, dimension in space.items():
            if path not in trained.overrides:
                continue
            value = trained.overrides[path]
            if not isinstance(dimension, Range):
                value = choices(path, dimension, document).index(value)
            parameters[path] = value
            distributions[path] = _distribution(path, dimension, document)
        done = trained.value is not None and isfinite(trained.value)
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if done else TrialState.RUNNING,
                params=parameters,
                distributions=distributions,
                value=trained.value if done else None,
            )
        )


def _ask(study: "Study", space: Dimensions, document: SectionsJson) -> Overrides:
    trial = study.ask()
    drawn: Overrides = {}
    for path, dimension in space.items():
        if not applies(path, drawn):
            continue
        if isinstance(dimension, Range):
            low, high, log = dimension.low, dimension.high, dimension.log
            drawn[path] = (
                trial.suggest_int(path, int(low), int(high), log=log)
                if dimension.integer
                else in_few_digits(
                    dimension, trial.suggest_float(path, float(low), float(high), log=log)
                )
            )
            continue
        options = choices(path, dimension, document)
        drawn[path] = options[trial.suggest_categorical(path, range(len(options)))]
    return drawn


def _distribution(path: str, dimension: Dimension, document: SectionsJson) -> "BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if not isinstance(dimension, Range):
        return CategoricalDistribution(range(len(choices(path, dimension, document))))
    if dimension.integer:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(float(dimension.low), float(dimension.high), log=dimension.log)


def _representative(history: Sequence[Trained]) -> list[Trained]:
    if len(history) <= MOST_HISTORY:
        return list(history)
    done = sorted(
        (t for t in history if t.value is not None and isfinite(t.value)),
        key=lambda trained: trained.value or 0.0,
    )
    pending = [t for t in history if t.value is None][-MOST_HISTORY // 4 :]
    half = MOST_HISTORY // 2
    rest = done[half:]
    every = max(1, -(-len(rest) // (half // 2)))
    return done[:half] + rest[::every] + pending
