from typing import Any

import pytest

from tests.unit.search.test_scheduler import search
from worker.errors import SpecError


@pytest.mark.parametrize(
    ("space", "path", "words"),
    [
        ({"regularization.l7.strength": {"low": 0, "high": 1}}, None, "no field"),
        ({"regularization.l1.strenth": {"low": 0, "high": 1}}, None, "no field"),
        ({"split.seed": {"values": [1, 2]}}, None, "cannot be searched"),
        ({"network.hidden.5": {"values": [1, 2]}}, None, "no field"),
        ({"network.hidden.0": {"low": 4, "high": 64}}, None, "integer"),
        ({"regularization.dropout.p": {"low": 0.0, "high": 1.0}}, None, "less than 1"),
        ({"regularization.dropout.p": {"values": [0.1, "x"]}}, None, "x"),
        ({"training.optimizer.kind": {"values": ["adam", "adamm"]}}, None, "adamm"),
        ({"regularization.spatial_dropout": {"optional": True}}, None, "feature maps"),
        (
            {
                "regularization.swa": {"optional": True},
                "regularization.ema": {"optional": True},
            },
            "regularization.swa",
            "choose ema or swa",
        ),
        (
            {
                "regularization.dropout.p": {"values": [0.1, [0.1, 0.2]]},
                "network.hidden": {"values": [[8, 8], [8]]},
            },
            "regularization.dropout.p",
            "probabilities",
        ),
    ],
)
def test_a_space_that_cannot_be_trained_names_the_path(
    space: dict[str, Any], path: str | None, words: str
) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        search(space).check()
    assert caught.value.param == f"search.space.{path or next(iter(space))}"


@pytest.mark.parametrize(
    ("path", "dimension", "remedy"),
    [
        ("training.batch_size", {"values": [8.5, 16]}, "write whole numbers."),
        ("training.batch_size", {"values": ["16", 8]}, "write whole numbers."),
        ("network.hidden.0", {"values": [8, 3.5]}, "write whole numbers."),
        ("regularization.lookahead.steps", {"values": [5.5]}, "write whole numbers."),
        ("training.batch_size", {"low": 8, "high": 64}, 'say "integer": true.'),
        ("network.hidden.0", {"low": 4, "high": 8.5}, '"integer": true and name whole ends.'),
        ("training.optimizer.learning_rate", {"low": -1, "high": 1}, "move the end of the range."),
        ("training.batch_size", {"low": 0, "high": 8, "integer": True}, "move the end of"),
        ("network.activation", {"low": 0, "high": 1}, '{"values": [...]}.'),
        ("network.hidden", {"low": 4, "high": 16}, '{"values": [...]}.'),
        ("network.hidden", {"values": [8]}, "write another value."),
        ("training.optimizer.kind", {"values": ["sdg"]}, "write another value."),
    ],
)
def test_a_remedy_is_one_that_the_dimension_has(
    path: str, dimension: dict[str, Any], remedy: str
) -> None:
    """`values` has no member `integer`, and a range no list of values."""
    with pytest.raises(SpecError) as caught:
        search({path: dimension}).check()
    assert caught.value.message.endswith(remedy) or remedy in caught.value.message
    assert ("integer" in remedy) == ('"integer"' in caught.value.message)


def test_a_field_that_is_misspelled_is_answered_with_what_is_near() -> None:
    for path, near in (
        ("regularization.l1.strenght", "regularization.l1.strength"),
        ("training.optimizer.learning_rat", "training.optimizer.learning_rate"),
    ):
        with pytest.raises(SpecError, match=f"did you mean {near}?"):
            search({path: {"low": 0.001, "high": 0.1}}).check()


def test_a_sound_space_passes() -> None:
    search(
        {
            "regularization.dropout": {"optional": True},
            "regularization.dropout.p": {"low": 0.0, "high": 0.8},
            "regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True},
            "network.hidden": {"values": [[8], [16, 16]]},
            "network.activation": {"values": ["relu", "tanh"]},
            "training.optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
            "training.batch_size": {"values": [16, 32]},
        }
    ).check()
