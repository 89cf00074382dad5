"""What a technique's class says of itself, as data: its docstring and its fields, parsed.

A technique's docstring has a fixed layout. The first paragraph is one sentence, ``name: formula``;
paragraphs without a label say what it does; each of the others begins with one of ``LABELS`` and a
colon. A label begins a new paragraph, so that no empty line is needed before it.
"""

import inspect
import re
from functools import cache
from typing import Any

from pydantic.json_schema import JsonSchemaValue

from worker.regularization.regularization import techniques
from worker.regularization.technique import SEARCHED, Technique
from worker.schema import Settings

LABELS = ("When", "Start", "Badly with", "Cost", "Units", "Shapes", "Source")
"""What every technique must say."""
OPTIONAL = ("Example",)

_LABEL = re.compile(rf"^({'|'.join((*LABELS, *OPTIONAL))}):\s+(?=\S)")
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


class SearchRange(Settings):
    """Where a search looks for a field's value, unless it is told otherwise."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    log: bool
    """Whether values are drawn evenly on a logarithmic scale."""


class FieldCard(Settings):
    """One field of a technique's settings."""

    name: str
    """Its name, as in `regularization.<technique>.<name>`."""
    description: str
    """What it means."""
    required: bool
    """Whether it must be given."""
    default: Any = None
    """Its value when it is not given."""
    minimum: float | None = None
    """Smallest value allowed."""
    exclusive_minimum: float | None = None
    """Values must be above this."""
    maximum: float | None = None
    """Largest value allowed."""
    exclusive_maximum: float | None = None
    """Values must be below this."""
    choices: tuple[Any, ...] | None = None
    """The values allowed, where they are few."""
    search: SearchRange | None = None
    """Default range of a search; none for a field that is not searched unless asked."""


class Card(Settings):
    """A technique as its class describes it."""

    name: str
    """Its key in `regularization`."""
    family: str
    """The moment of training at which it acts."""
    title: str
    """Its name in words."""
    summary: str
    """What it is, in one sentence, with its formula."""
    formula: str
    """Its formula."""
    does: str
    """What it does, in detail."""
    when: str
    """When to use it."""
    start: str
    """The value to start with."""
    badly_with: str
    """What it combines badly with, and why."""
    conflicts: tuple[str, ...]
    """The techniques that are named there."""
    cost: str
    """What it costs in time and memory."""
    units: str
    """The units of its settings, and how other libraries' convert."""
    shapes: str
    """Shapes of the tensors in its formula; K trials, B rows, P weights."""
    example: str | None
    """An example in numbers."""
    source: str
    """Where it was published."""
    main_field: str | None
    """The field that a number alone sets, as in `"dropout": 0.5`; none where no field does."""
    fields: tuple[FieldCard, ...]
    """Its settings. `true` stands for them where none is required."""


def paragraphs(doc: str) -> dict[str, str]:
    """A docstring's paragraphs, joined to one line each, by label.

    The first is ``summary``; those without a label are ``does``, joined by blank lines.
    """
    blocks: list[tuple[str, list[str]]] = [("summary", [])]
    for line in inspect.cleandoc(doc).splitlines():
        label = _LABEL.match(line)
        if label:
            blocks.append((label[1], [line[label.end() :]]))
        elif line.strip():
            blocks[-1][1].append(line.strip())
        elif blocks[-1][1]:
            blocks.append(("does", []))
    by_label: dict[str, str] = {}
    for label_name, lines in blocks:
        if lines:
            text = " ".join(lines)
            before = f"{by_label[label_name]}\n\n" if label_name in by_label else ""
            by_label[label_name] = before + text
    return by_label


def undocumented_parts(technique: type[Technique]) -> list[str]:
    """The parts that a technique's docstring lacks: labels, ``formula``, ``does``."""
    parts = paragraphs(technique.__doc__ or "")
    lacking = [label for label in (*LABELS, "does") if label not in parts]
    return lacking + ([] if _formula(parts.get("summary", "")) else ["formula"])


def card_of(name: str, technique: type[Technique], vocabulary: frozenset[str]) -> Card:
    """A technique's card. ``vocabulary`` are the names of all techniques."""
    parts = paragraphs(technique.__doc__ or "")
    badly_with = parts.get("Badly with", "")
    named = dict.fromkeys(re.findall(r"`(\w+)`", badly_with))
    title = (inspect.getdoc(inspect.getmodule(technique)) or "").split("\n", 1)[0]
    return Card(
        name=name,
        family=technique.family,
        title=title.rstrip("."),
        summary=parts.get("summary", ""),
        formula=_formula(parts.get("summary", "")),
        does=parts.get("does", ""),
        when=parts.get("When", ""),
        start=parts.get("Start", ""),
        badly_with=badly_with,
        conflicts=tuple(other for other in named if other in vocabulary - {name}),
        cost=parts.get("Cost", ""),
        units=parts.get("Units", ""),
        shapes=parts.get("Shapes", ""),
        example=parts.get("Example"),
        source=parts.get("Source", ""),
        main_field=technique.main_field(),
        fields=_fields(technique),
    )


def _formula(summary: str) -> str:
    """What follows the first colon, if it is mathematics."""
    formula = summary.partition(": ")[2].rstrip(".")
    return formula if re.search(r"[=←≤≥<>~]", formula) else ""


def _fields(technique: type[Technique]) -> tuple[FieldCard, ...]:
    schema = technique.model_json_schema()
    required = schema.get("required", [])
    return tuple(
        _field(name, about, required=name in required)
        for name, about in schema.get("properties", {}).items()
    )


def _field(name: str, about: JsonSchemaValue, *, required: bool) -> FieldCard:
    # Of "this or null", the bounds are those of this.
    known: JsonSchemaValue = {}
    for choice in about.get("anyOf", []):
        known |= choice
    known |= about
    minimum, exclusive_minimum, maximum, exclusive_maximum = (known.get(b) for b in _BOUNDS)
    return FieldCard(
        name=name,
        description=" ".join(about.get("description", "").split()),
        required=required,
        default=about.get("default"),
        minimum=minimum,
        exclusive_minimum=exclusive_minimum,
        maximum=maximum,
        exclusive_maximum=exclusive_maximum,
        choices=tuple(known["enum"]) if "enum" in known else None,
        search=SearchRange(**known[SEARCHED]) if SEARCHED in known else None,
    )


@cache
def catalogue() -> dict[str, Card]:
    """Name → card, in the order of the vocabulary: all of it from the techniques' own classes."""
    classes = techniques()
    vocabulary = frozenset(classes)
    return {name: card_of(name, technique, vocabulary) for name, technique in classes.items()}
