"""Every technique describes itself completely, in the fixed layout of its docstring."""

import pytest

from worker.regularization import techniques
from worker.regularization.card import LABELS, catalogue, paragraphs, undocumented_parts
from worker.regularization.technique import Technique

NAMES = list(techniques())


@pytest.mark.parametrize("name", NAMES)
def test_says_everything(name: str) -> None:
    lacking = undocumented_parts(techniques()[name])
    assert not lacking, f"the docstring of {name} lacks: {', '.join(lacking)}"


@pytest.mark.parametrize("name", NAMES)
def test_every_field_has_words_bounds_or_choices(name: str) -> None:
    for field in catalogue()[name].fields:
        assert field.description, field.name
        bounded = [field.minimum, field.exclusive_minimum], [field.maximum, field.exclusive_maximum]
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert all(any(b is not None for b in side) for side in bounded), field.name
        if field.search is not None:
            low = max(b for b in (*bounded[0], field.search.low) if b is not None)
            high = min(b for b in (*bounded[1], field.search.high) if b is not None)
            assert low == field.search.low < field.search.high == high, field.name
            assert not field.search.log or field.search.low > 0, field.name


@pytest.mark.parametrize("name", NAMES)
def test_says_each_thing_once(name: str) -> None:
    """No label is left inside a paragraph, where the parser would not find it."""
    card = catalogue()[name]
    texts = [card.does, card.when, card.start, card.badly_with, card.cost, card.units, card.shapes]
    for text in texts:
        assert not any(f" {label}: " in text for label in LABELS)
    assert "Start at" not in card.does, "it belongs into the paragraph Start:"
    assert name not in card.conflicts


def test_there_is_something_to_search_in_every_family_with_numbers() -> None:
    searched = {card.family for card in catalogue().values() if any(f.search for f in card.fields)}
    assert {"penalty", "decay", "dropout", "noise", "augmentation", "target", "averaging"} <= (
        searched
    )


def test_paragraphs_are_found_by_their_labels() -> None:
    said = paragraphs(
        """Name: a = b.

        It does this,
        and that.

        It also does more.

        When: always.
        Start: 1, or
        2.

        Source: somebody 1999.
        """
    )
    assert said == {
        "summary": "Name: a = b.",
        "does": "It does this, and that.\n\nIt also does more.",
        "When": "always.",
        "Start": "1, or 2.",
        "Source": "somebody 1999.",
    }


def test_what_is_missing_is_named() -> None:
    class Silent(Technique):
        """Says nothing."""

        family = "none"

    assert undocumented_parts(Silent) == [*LABELS, "does", "formula"]
