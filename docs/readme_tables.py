"""The tables of README, docs/techniques.md and docs/metrics.md, from the classes they describe.

``python docs/readme_tables.py`` writes them between their markers; a test compares.
"""

import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from worker.metrics.definitions import MEASURES, OF_TRIALS
from worker.regularization import techniques
from worker.regularization.card import catalogue
from worker.settings import ServiceSettings

README = Path(__file__).resolve().parent.parent / "README.md"
TECHNIQUES = Path(__file__).resolve().parent / "techniques.md"
METRICS = Path(__file__).resolve().parent / "metrics.md"
# What these defaults are made of depends on the machine.
COMPUTED = {
    "tenants": "`{}`",
    "state": "`parsimony` in the user's data folder",
    "threads": "processors ÷ workers",
    "database_url": "SQLite in the state folder",
    "artefacts_url": "`artefacts` in the state folder",
    "redis_url": "none: a private one is started",
    "fleet_memory": "by the machine, see right",
    "models_bytes": "by the machine, see right",
    "max_job_bytes": "by the machine, see right",
    "upload_memory": "by the machine, see right",
    "max_connections": "descriptors ÷ 2, at most 1,000",
}

OF_CLIENTS = {
    "url": (
        "`http://127.0.0.1:8000`",
        "Of the Python client and of the commands that ask a service: where it is.",
    ),
    "api_key": ("none", "Of the same: the key that they send as Bearer."),
}


def cell(text: str) -> str:
    """A text on one line, with its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def default(field: FieldInfo) -> str:
    """A field's default as JSON would write it."""
    value: Any = field.get_default(call_default_factory=False)
    if field.is_required() or value is PydanticUndefined:
        return "required"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return str(value.value if hasattr(value, "value") else value)


def technique_table() -> str:
    """One row a technique: its family, what it does, where to start, its settings' defaults."""
    lines = [
        "| technique | family | what it does | start | settings (default) |",
        "| --- | --- | --- | --- | --- |",
    ]
    cards = catalogue()
    for name, technique in techniques().items():
        card = cards[name]
        settings = ", ".join(
            f"`{key}` ({default(field)})" for key, field in technique.model_fields.items()
        )
        what, start = cell(card.summary), cell(card.start)
        lines.append(f"| `{name}` | {card.family} | {what} | {start} | {settings or '–'} |")
    return "\n".join(lines)


def settings_table() -> str:
    """One row a setting: its environment variable, its default, what it means; clients' last."""
    lines = ["| variable | default | meaning |", f"|{' --- |' * 3}"]
    for name, field in ServiceSettings.model_fields.items():
        value = COMPUTED.get(name) or f"`{default(field)}`"
        meaning = cell(field.description or "")
        lines.append(f"| `PARSIMONY_{name.upper()}` | {value} | {meaning} |")
    for name, (value, meaning) in OF_CLIENTS.items():
        lines.append(f"| `PARSIMONY_{name.upper()}` | {value} | {meaning} |")
    return "\n".join(lines)


def metric_table(kind: str) -> str:
    """One row a metric of a kind of task, or of the trial as a whole."""
    lines = [
        "| metric | what it is | formula | better | measured | not defined where |",
        f"|{' --- |' * 6}",
    ]
    for metric in OF_TRIALS if kind == "trial" else MEASURES:
        if kind != "trial" and kind not in metric.kinds:
            continue
        better = "higher" if metric.maximize else "lower"
        when = "every epoch" if metric.per_epoch else "final weights"
        what, formula = cell(metric.what), cell(metric.formula)
        undefined = metric.undefined or "–"
        lines.append(f"| `{metric.name}` | {what} | {formula} | {better} | {when} | {undefined} |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """The README with its table as the classes have it now."""
    return _filled(README, text, {"settings": settings_table()})


def filled_techniques(text: str) -> str:
    """The page on techniques, likewise."""
    return _filled(TECHNIQUES, text, {"techniques": technique_table()})


def filled_metrics(text: str) -> str:
    """The page on metrics, likewise."""
    kinds = ("binary", "multiclass", "regression", "trial")
    return _filled(METRICS, text, {kind: metric_table(kind) for kind in kinds})


def _filled(page: Path, text: str, tables: dict[str, str]) -> str:
    for name, table in tables.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, found, rest = text.partition(begin)
        _, also_found, after = rest.partition(end)
        if not (found and also_found):
            raise ValueError(f"{page.name} has lost its markers {begin} and {end}")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


if __name__ == "__main__":
    for page, fill in (
        (README, filled),
        (TECHNIQUES, filled_techniques),
        (METRICS, filled_metrics),
    ):
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"{page.name} is up to date\n")
