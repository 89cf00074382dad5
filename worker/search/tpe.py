"""TPE: draws near what did well, by Optuna, a fleet's worth at a time."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from worker.search.space import Dimensions, Overrides, choices
from worker.spec import Range

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

MOST_TOLD = 1000
"""Configurations that the sampler is told of: of more, the best and an even choice of the rest."""
STARTUP = 16
"""Configurations that must be known before draws follow them."""


@dataclass(frozen=True)
class Trained:
    """A configuration that was planned: its mean objective, less being better; none as yet."""

    overrides: Overrides
    value: float | None = None


def propose(
    seed: int,
    first: int,
    count: int,
    space: Dimensions,
    document: Mapping[str, Any],
    history: Sequence[Trained],
) -> list[Overrides]:
    """The next ``count`` configurations, numbered from ``first``.

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
        _tell(study, _representative(history), space, document)
        return [_ask(study, space, document) for _ in range(count)]


def _tell(
    study: "Study",
    history: Iterable[Trained],
    space: Dimensions,
    document: Mapping[str, Any],
) -> None:
    from optuna.trial import TrialState, create_trial

    for trained in history:
        parameters: dict[str, Any] = {}
        kinds: dict[str, BaseDistribution] = {}
        for path, dimension in space.items():
            if path not in trained.overrides:
                continue
            value = trained.overrides[path]
            if not isinstance(dimension, Range):
                value = choices(path, dimension, document).index(value)
            parameters[path] = value
            kinds[path] = _distribution(path, dimension, document)
        done = trained.value is not None and isfinite(trained.value)
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if done else TrialState.RUNNING,
                params=parameters,
                distributions=kinds,
                value=trained.value if done else None,
            )
        )


def _ask(study: "Study", space: Dimensions, document: Mapping[str, Any]) -> Overrides:
    trial = study.ask()
    drawn: Overrides = {}
    off: list[str] = []
    for path, dimension in space.items():
        if any(path.startswith(f"{parent}.") for parent in off):
            continue
        if isinstance(dimension, Range):
            low, high, log = dimension.low, dimension.high, dimension.log
            drawn[path] = (
                trial.suggest_int(path, int(low), int(high), log=log)
                if dimension.integer
                else trial.suggest_float(path, float(low), float(high), log=log)
            )
            continue
        options = choices(path, dimension, document)
        drawn[path] = options[trial.suggest_categorical(path, range(len(options)))]
        if drawn[path] is None:
            off.append(path)
    return drawn


def _distribution(path: str, dimension: Any, document: Mapping[str, Any]) -> "BaseDistribution":
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
    if len(history) <= MOST_TOLD:
        return list(history)
    done = sorted(
        (t for t in history if t.value is not None and isfinite(t.value)),
        key=lambda trained: trained.value or 0.0,
    )
    pending = [t for t in history if t.value is None][-MOST_TOLD // 4 :]
    half = MOST_TOLD // 2
    rest = done[half:]
    every = max(1, -(-len(rest) // (half // 2)))
    return done[:half] + rest[::every] + pending
