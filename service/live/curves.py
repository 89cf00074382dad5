"""The curves of a running job, of a size that does not grow with the number of its trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from service.schemas.live import LiveMetrics, LiveSeries, LiveValues
from worker.schema import Json
from worker.storage import live

MOST_LINES = 12
"""Configurations of a fleet that have a line each."""
MOST_EPOCHS = 200
"""Epochs that are told at once; of more, some."""
LOSSES = ("objective", "train_loss", "validation_loss")
"""What the optimizer saw, and the honest losses."""


@dataclass(frozen=True)
class CurveLine:
    """A configuration within a fleet: the places of its trials there."""

    configuration: int
    name: str
    positions: tuple[int, ...]


def live_metrics(
    fleet: int,
    lines: Sequence[CurveLine],
    epochs: Sequence[tuple[int, Json]],
    *,
    objective: str,
    maximize: bool,
) -> LiveMetrics | None:
    """Some epochs of a fleet, ``(epoch, {metric: [value for each position]})``, as one event."""
    names = [
        name
        for name in followed_metrics(objective)
        if any(values.get(name) is not None for _, values in epochs)
    ]
    if not names:
        return None
    if len(lines) <= MOST_LINES:
        series = [
            LiveSeries(
                name=line.name,
                configuration=line.configuration,
                trials=len(line.positions),
                metrics={name: _over(epochs, name, line.positions) for name in names},
            )
            for line in lines
        ]
    else:
        everyone = tuple(place for line in lines for place in line.positions)
        best = {
            name: _best(epochs, name, everyone, most=maximize and name == objective)
            for name in names
        }
        mean = {name: _over(epochs, name, everyone) for name in names}
        series = [
            LiveSeries(name=name, configuration=None, trials=len(everyone), metrics=metrics)
            for name, metrics in (("best", best), ("mean", mean))
        ]
    return LiveMetrics(fleet=fleet, epochs=[epoch for epoch, _ in epochs], series=series)


def followed_metrics(objective: str) -> tuple[str, ...]:
    """The metrics of the curves of a job that chooses by this one."""
    return tuple(dict.fromkeys((*LOSSES, objective)))


def _at(values: Json, name: str, positions: Sequence[int]) -> list[float]:
    column: Sequence[float | None] = values.get(name) or ()
    return [
        value for place in positions if place < len(column) and (value := column[place]) is not None
    ]


def _over(epochs: Sequence[tuple[int, Json]], name: str, positions: Sequence[int]) -> LiveValues:
    values_of_epochs = [_at(values, name, positions) for _, values in epochs]
    return LiveValues(
        mean=[fmean(some) if some else None for some in values_of_epochs],
        sd=[stdev(some) if len(some) > 1 else None for some in values_of_epochs],
    )


def _best(
    epochs: Sequence[tuple[int, Json]], name: str, positions: Sequence[int], *, most: bool
) -> LiveValues:
    choose = max if most else min
    values_of_epochs = [_at(values, name, positions) for _, values in epochs]
    return LiveValues(
        mean=[choose(some) if some else None for some in values_of_epochs],
        sd=[None] * len(values_of_epochs),
    )


def joined(before: LiveMetrics | None, news: LiveMetrics) -> LiveMetrics:
    """Both as one event, for whoever begins to watch."""
    if before is None:
        return news
    known = {_key(line): line for line in before.series}
    epochs = [*before.epochs, *news.epochs]
    kept = live.thinned(range(len(epochs)), MOST_EPOCHS)
    series = []
    for line in news.series:
        old = known.get(_key(line))
        metrics = {
            name: _appended(old.metrics if old else {}, name, values, len(before.epochs), kept)
            for name, values in line.metrics.items()
        }
        series.append(line.model_copy(update={"metrics": metrics}))
    return news.model_copy(update={"epochs": [epochs[place] for place in kept], "series": series})


def _key(line: LiveSeries) -> tuple[str, int | None]:
    return line.name, line.configuration


def _appended(
    old: Mapping[str, LiveValues], name: str, values: LiveValues, length: int, kept: Sequence[int]
) -> LiveValues:
    nothing: list[float | None] = [None] * length
    before = old.get(name)
    mean = [*(before.mean if before else nothing), *values.mean]
    sd = [*(before.sd if before else nothing), *values.sd]
    return LiveValues(mean=[mean[place] for place in kept], sd=[sd[place] for place in kept])
