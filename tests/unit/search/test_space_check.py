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
