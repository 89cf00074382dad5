"""The report as Markdown, for a pull request: the verdict first, then the numbers behind it."""

from collections.abc import Iterator, Sequence

from service.schemas.results import Report
from worker.results import (
    Advice,
    ConfigurationIntervals,
    Difference,
    MetricInterval,
    PermutationImportance,
    Spread,
    UncertaintyReport,
)

SHOWN = 20
"""Configurations, differences and columns that a table has at most."""
ENTERING = 50
"""Features of a path whose order is told."""
_SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]<>|#~"} | {"\n": " ", "\r": " "})


NO_ROWS = (
    "No verdict: no rows were held back, so that nothing tells how new rows would be answered. "
    "Set split.validation, or split.folds."
)
NOT_APPRAISED = "No verdict: the job has not ended, or could not be appraised."


def markdown(report: Report, *, name: str, advice: Sequence[Advice]) -> str:
    """The report of a job.

    Args:
        report: as `GET /v1/jobs/{id}/report` answers it.
        name: the job's, empty where it has none.
        advice: what was found about the job.
    """
    return "\n".join(_lines(report, name, advice)) + "\n"


def _lines(report: Report, name: str, advice: Sequence[Advice]) -> Iterator[str]:
    yield f"# {_text(name or report.job)}"
    yield ""
    verdict = report.verdict
    if verdict is None:
        verdict = NO_ROWS if report.objective.startswith("train_") else NOT_APPRAISED
    yield f"**{_text(verdict)}**"
    appraisal = report.appraisal
    if appraisal is None:
        yield from _means(report)
    else:
        rows = "row" if appraisal.rows == 1 else "rows"
        yield from _section(f"Configurations on {appraisal.rows:,} {_kind(report)} {rows}")
        yield from _intervals(appraisal.intervals)
        if appraisal.refits:
            yield from _section("Trained once more, on training and validation rows")
            yield from _intervals(appraisal.refits)
        if appraisal.differences:
            yield from _section("Differences on the same rows")
            yield from _differences(appraisal.differences)
        if appraisal.importance is not None:
            yield from _section("Importance of the columns")
            yield from _importance(appraisal.importance)
        if appraisal.uncertainty is not None:
            yield from _section("How sure the served model is")
            yield from _uncertainty(appraisal.uncertainty)
    if report.path is not None and report.path.weights:
        entering = [path for path in report.path.weights if path.enters is not None]
        yield from _section(f"Features along {_text(report.path.over)}, in the order they enter")
        yield (
            ", ".join(
                _text(path.feature if path.output is None else f"{path.feature} ({path.output})")
                for path in entering[:ENTERING]
            )
            or "None enters."
        )
    if advice:
        yield from _section("Advice")
        yield from (
            f"- **{one.severity}**: {_text(one.message)} {_text(one.fix)}" for one in advice
        )
    if appraisal is not None and appraisal.notes:
        yield from _section("What the intervals cover")
        yield from (f"- {_text(note)}" for note in appraisal.notes)
    yield ""
    yield f"Job `{report.job}`; configurations ordered by {_text(report.objective)}."


def _kind(report: Report) -> str:
    part = "" if report.appraisal is None else report.appraisal.part
    return part.replace("_", "-")


def _section(title: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")


def _intervals(configurations: Sequence[ConfigurationIntervals]) -> Iterator[str]:
    names = list(dict.fromkeys(name for one in configurations for name in one.metrics))
    yield from _head("configuration", "networks", *map(_words, names))
    for one in configurations[:SHOWN]:
        yield _row(one.name, str(one.networks), *(_within(one.metrics.get(name)) for name in names))
        if one.corrected:
            cells = (_within(one.corrected.get(name)) for name in names)
            yield _row(f"{one.name}, corrected for the choice", "", *cells)


def _differences(differences: Sequence[Difference]) -> Iterator[str]:
    yield from _head("compared", "with", "metric", "difference", "95 %", "verdict")
    for one in differences[:SHOWN]:
        other = one.other_name if one.role != "twin" else f"{one.other_name} (no regularization)"
        ends = f"{_short(one.low)} to {_short(one.high)}"
        yield _row(one.name, other, _words(one.metric), _short(one.difference), ends, one.verdict)


def _importance(importance: PermutationImportance) -> Iterator[str]:
    yield (
        f"By how much the loss of {_short(importance.loss)} rises if a column is exchanged among "
        f"{importance.rows:,} rows. Below {_short(importance.noise)} it may be chance."
    )
    yield ""
    yield from _head("column", "rise", "deviation")
    for one in importance.columns[:SHOWN]:
        yield _row(one.column, _short(one.rise), _short(one.deviation))


def _uncertainty(sure: UncertaintyReport) -> Iterator[str]:
    measured, fitted = (part.replace("_", "-") for part in (sure.measured, sure.fitted))
    how = f"measured on {sure.measured_rows:,} {measured} rows"
    if sure.measured == sure.fitted:
        how += ", each fifth by what the others fitted"
    yield f"Fitted on {sure.fitted_rows:,} {fitted} rows, {how}."
    if sure.scaling is not None:
        scaling = sure.scaling
        yield ""
        yield from _head(f"temperature {_short(scaling.temperature)}", "before", "after")
        losses = scaling.log_loss_before, scaling.log_loss_after
        errors = scaling.ece_before, scaling.ece_after
        yield _row("log loss", *map(_short, losses))
        yield _row("expected calibration error", *map(_short, errors))
    if sure.coverage:
        size = "width" if sure.scaling is None else "classes"
        yield ""
        yield from _head("coverage asked for", "covered", "95 %", size)
        for one in sure.coverage:
            ends = f"{_short(one.low)} to {_short(one.high)}"
            yield _row(_short(one.level), _short(one.covered), ends, _short(one.size))
    if sure.notes:
        yield ""
        yield from (f"- {_text(note)}" for note in sure.notes)


def _means(report: Report) -> Iterator[str]:
    """Means and deviations, where there are no intervals."""
    shown = report.configurations[:SHOWN]
    names = [name for name in (report.objective,) if any(name in one.metrics for one in shown)]
    yield from _section("Configurations")
    yield from _head("configuration", "trials", *map(_words, names))
    for one in shown:
        cells = (_spread(one.metrics.get(name)) for name in names)
        yield _row(one.name, f"{one.succeeded} of {one.trials}", *cells)


def _head(*titles: str) -> Iterator[str]:
    yield _row(*titles)
    yield f"|{' --- |' * len(titles)}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _within(metric: MetricInterval | None) -> str:
    if metric is None:
        return ""
    return f"{_short(metric.value)} ({_short(metric.low)} to {_short(metric.high)})"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return (
        _short(spread.mean) if spread.sd is None else f"{_short(spread.mean)} ± {_short(spread.sd)}"
    )


def _short(value: float) -> str:
    return f"{value:.3g}"


def _text(text: str) -> str:
    """Text that means nothing to Markdown, in one line."""
    return text.translate(_SPECIAL)
