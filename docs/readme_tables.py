"""The README's tables, from the classes that they describe.

``python docs/readme_tables.py`` writes them into README.md, between their markers; a test compares.
"""

import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from worker.regularization import techniques
from worker.regularization.card import catalogue
from worker.settings import ServiceSettings

README = Path(__file__).resolve().parent.parent / "README.md"
# What these defaults are made of depends on the machine.
COMPUTED = {
    "state": "`parsimony` in the user's data folder",
    "threads": "processors ÷ workers",
    "database_url": "SQLite in the state folder",
    "artefacts_url": "`artefacts` in the state folder",
    "redis_url": "none: a private one is started",
    "fleet_memory": "by the machine, see right",
    "max_job_bytes": "by the machine, see right",
    "max_connections": "descriptors ÷ 2, at most 1,000",
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
    """One row a setting: its environment variable, its default, what it means."""
    lines = ["| variable | default | meaning |", f"|{' --- |' * 3}"]
    for name, field in ServiceSettings.model_fields.items():
        value = COMPUTED.get(name) or f"`{default(field)}`"
        meaning = cell(field.description or "")
        lines.append(f"| `PARSIMONY_{name.upper()}` | {value} | {meaning} |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """The README with its tables as the classes have them now."""
    for name, table in (("techniques", technique_table()), ("settings", settings_table())):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, found, rest = text.partition(begin)
        _, also_found, after = rest.partition(end)
        if not (found and also_found):
            raise ValueError(f"README.md has lost its markers {begin} and {end}")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


if __name__ == "__main__":
    was = README.read_text(encoding="utf-8")
    README.write_text(filled(was), encoding="utf-8")
    sys.stdout.write("README.md is up to date\n")
