"""Rules about columns that are not what they seem. They read categories, not rows."""

from collections.abc import Collection, Iterator

from worker.advice.advice import Advice
from worker.advice.configuration import Configuration

NEARLY_EACH = 0.9
"""Categories for each row, in an identifier."""
NEARLY_ALL = 0.9
"""Share of the categories that are numbers, in a numeric column with a few slips."""
SHOWN = 10


def identifier_columns(configuration: Configuration) -> Iterator[Advice]:
    """A category of its own for nearly every row is an input that no other row trains.

    Only categorical columns can be told; an identifier in numbers looks like a measurement.
    """
    rows = configuration.outline.rows
    found = {
        each.column: each.count
        for each in configuration.outline.categories
        if each.count >= NEARLY_EACH * rows and each.numbers < NEARLY_ALL * each.count
    }
    if found:
        yield Advice(
            severity="warning",
            code="identifier_columns",
            field="dataset",
            message=f"Nearly one category a row, as identifiers have, in {_listed(found)}: the "
            "network can learn rows by heart with it, and nothing of new ones.",
            evidence={"categories": dict(list(found.items())[:SHOWN]), "rows": rows},
            fix="Upload the data without it.",
        )


def numbers_as_categories(configuration: Configuration) -> Iterator[Advice]:
    """One cell that is not a number makes its column categorical, one input for each value."""
    found = {
        each.column: each
        for each in configuration.outline.categories
        if NEARLY_ALL * each.count <= each.numbers < each.count
    }
    if found:
        yield Advice(
            severity="warning",
            code="numbers_as_categories",
            field="dataset",
            message=f"Numbers and a few other texts in {_listed(found)}: each of the values became "
            "a category of its own.",
            evidence={
                name: {"categories": each.count, "numbers": each.numbers, "others": each.others}
                for name, each in list(found.items())[:SHOWN]
            },
            fix="Correct the other texts, or leave these cells empty, and upload the data again.",
        )


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(repr(name) for name in list(names)[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"column{'s' * (len(names) > 1)} {shown}{more}"
