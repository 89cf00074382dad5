"""A job and a data set as HTML, for notebooks. What comes from users is escaped."""

from collections.abc import Iterator, Sequence
from html import escape

from parsimony.answers import DatasetData, Finding, JobData
from parsimony.words import number, result, sentences, standing, waits_for

_STYLE = "font-family:system-ui,sans-serif;line-height:1.4;max-width:48em"
_COLOURS = {
    "succeeded": "#2e7d32",
    "failed": "#c62828",
    "cancelled": "#6d6d6d",
    "running": "#1565c0",
}
SHOWN = 10
"""Findings and metrics that are shown."""


def job(data: JobData) -> str:
    """Its state, what came of it, its metrics, its advice."""
    return f'<div style="{_STYLE}">{"".join(_of_job(data))}</div>'


def _of_job(data: JobData) -> Iterator[str]:
    colour = _COLOURS.get(data["state"], "#8a6d00")
    name = escape(data["name"] or data["id"])
    yield f"<div><b>{name}</b> <code>{escape(data['id'])}</code></div>"
    yield f'<div style="color:{colour}">{escape(standing(data))}</div>'
    waits = waits_for(data)
    if waits:
        yield f"<div>{escape(waits)}</div>"
    if data["state"] == "running":
        share = f"{100 * data['progress']['fraction']:.0f}"
        yield f'<progress max="100" value="{share}" style="width:100%">{share} %</progress>'
    summary = result(data)
    if summary:
        yield f"<div>{escape(summary)}</div>"
    best = data["best"]
    if best is not None and best["metrics"]:
        objective = data["objective"]
        ordered = sorted(best["metrics"].items(), key=lambda item: item[0] != objective)
        rows = ordered[:SHOWN]
        cells = "".join(
            f'<tr><td>{escape(metric)}</td><td style="text-align:right">{number(value)}</td></tr>'
            for metric, value in rows
        )
        yield f"<table>{cells}</table>"
    yield from _findings(data["advice"])


def dataset(data: DatasetData) -> str:
    """Its size, its columns, its findings."""
    kinds = ", ".join(f"{escape(one['name'])} ({escape(one['kind'])})" for one in data["columns"])
    parts = [
        f"<div><b>{escape(data['name'])}</b> <code>{escape(data['id'])}</code></div>",
        f"<div>{data['rows']:,} rows; columns: {kinds}</div>",
        *_findings(data["findings"]),
    ]
    return f'<div style="{_STYLE}">{"".join(parts)}</div>'


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    rows = list(sentences(findings))
    if not rows:
        return
    yield "<ul>"
    for severity, text, line in rows[:SHOWN]:
        code = f"<br><code>{escape(line)}</code>" if line else ""
        yield f"<li><b>{escape(severity)}</b> {escape(text)}{code}</li>"
    if len(rows) > SHOWN:
        yield f"<li>… and {len(rows) - SHOWN} more</li>"
    yield "</ul>"
