"""What each technique of a configuration bought: the same training with it and without it."""

import math
from collections.abc import Mapping, Sequence

from worker.results.comparison import Attribution, Effect, Verdict
from worker.results.trial import Metrics
from worker.statistics import interval, mean
from worker.storage.states import State
from worker.storage.tables import Job, TrialRow

HEADLINES = ("balanced_accuracy", "accuracy", "rmse")
"""Metrics that are compared beside the objective, of the rows that are furthest from training."""
PARTS = ("test", "validation", "train")


def attributions(job: Job, groups: Mapping[int, Sequence[TrialRow]]) -> list[Attribution]:
    """One entry for each technique left out, in the order of the configurations."""
    found = []
    for number, members in groups.items():
        without = members[0].settings.get("without")
        if without is None:
            continue
        whole = groups[without["configuration"]]
        pairs = _pairs(whole, members)
        found.append(
            Attribution(
                configuration=without["configuration"],
                name=whole[0].name,
                technique=without["technique"],
                without=number,
                effects=[
                    _effect(name, _is_better_high(name, job), values)
                    for name in _metrics(job, pairs)
                    if (values := _values(name, pairs))
                ],
                note=_note(whole, len(pairs)),
            )
        )
    return found


Pair = tuple[Metrics, Metrics]


def _pairs(whole: Sequence[TrialRow], members: Sequence[TrialRow]) -> list[Pair]:
    """Metrics with and without, of the repeats and folds that succeeded in both."""
    succeeded = {
        (trial.repeat, trial.fold): trial for trial in whole if trial.state == State.SUCCEEDED
    }
    return [
        (succeeded[place].metrics, trial.metrics)
        for trial in members
        if trial.state == State.SUCCEEDED and (place := (trial.repeat, trial.fold)) in succeeded
    ]


def _metrics(job: Job, pairs: Sequence[Pair]) -> list[str]:
    known = {name for with_it, _ in pairs for name in with_it}
    for part in PARTS:
        named = [name for headline in HEADLINES if (name := f"{part}_{headline}") in known]
        if named:
            return list(dict.fromkeys([job.objective, *named]))
    return [job.objective]


def _is_better_high(name: str, job: Job) -> bool:
    return job.maximize if name == job.objective else name.endswith("accuracy")


def _values(name: str, pairs: Sequence[Pair]) -> list[tuple[float, float]]:
    both = [(with_it.get(name), without.get(name)) for with_it, without in pairs]
    return [
        (a, b)
        for a, b in both
        if a is not None and b is not None and math.isfinite(a) and math.isfinite(b)
    ]


def _effect(name: str, maximize: bool, values: Sequence[tuple[float, float]]) -> Effect:
    differences = [with_it - without for with_it, without in values]
    ends = interval(differences)
    return Effect(
        metric=name,
        maximize=maximize,
        mean_with=mean(with_it for with_it, _ in values),
        mean_without=mean(without for _, without in values),
        difference=mean(differences),
        interval=ends,
        pairs=len(values),
        verdict=_verdict(ends, maximize),
    )


def _verdict(ends: tuple[float, float] | None, maximize: bool) -> Verdict:
    if ends is None:
        return "untested"
    low, high = ends
    if low <= 0 <= high:
        return "unclear"
    return "helps" if (low > 0) == maximize else "hurts"


def _note(whole: Sequence[TrialRow], pairs: int) -> str | None:
    if pairs < 2:
        return (
            f"{pairs} pair of trials: no interval. Ask for repeats: 5 or more, or for folds, to "
            "tell an effect from chance."
        )
    if any(trial.fold is not None for trial in whole):
        return "Folds share training rows, so that the interval is somewhat too narrow."
    return (
        "Over repeats of one split: the interval is about initial weights, batches and masks, not "
        "about other rows. Folds would tell of those."
    )
