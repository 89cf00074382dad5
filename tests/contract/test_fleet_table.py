"""Every technique of the catalogue trains, and a fleet of it is nothing but its trials.

Three settings with "off" on both sides of them: each trial ends with the very bits that it has
alone, random techniques included.
"""

import json
from dataclasses import dataclass
from functools import cache
from math import log
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.fleets import trained
from tests.vocabulary import EXAMPLES, RANDOM, Stage, digits, residual, table
from tests.weights import served
from worker.regularization import Technique, techniques
from worker.regularization.families.augmentation import ImageAugmentation
from worker.regularization.families.branch import BranchDropout, BranchMerge
from worker.regularization.spatial_dropout import SpatialDropout
from worker.results.trial import TrialResult
from worker.training import FleetRun

NAMES = list(techniques())


def flat(tensors: dict[str, Tensor]) -> Tensor:
    """Tensors by name, end to end."""
    return torch.cat([tensor.flatten() for _, tensor in sorted(tensors.items())])


@dataclass
class Ended:
    """How one trial ended."""

    fleet: FleetRun
    tensors: dict[str, Tensor]
    result: TrialResult

    @property
    def flat(self) -> Tensor:
        """Everything that it is served with, end to end."""
        return flat(self.tensors)

    @property
    def has_learned(self) -> bool:
        """Whether it answers better than every class equally likely."""
        loss = self.result.metrics["train_loss"]
        return loss is not None and loss < log(len(self.fleet.prepared.target.classes))


def train(stage: Stage, *regularizations: dict[str, Any]) -> list[Ended]:
    """One trial a regularization, in their order."""
    ended: dict[int, Ended] = {}
    for run in stage(*regularizations):
        trained(run)
        tensors = run.result()
        for row, (trial, result) in enumerate(zip(run.trials, run.results(), strict=True)):
            ended[trial.configuration] = Ended(run, served(tensors, row), result)
    return [ended[number] for number in range(len(regularizations))]


@cache
def train_alone(stage: Stage, regularization: str) -> Ended:
    """A fleet of one; its regularization as JSON."""
    (ended,) = train(stage, json.loads(regularization))
    return ended


def agree(together: Ended, alone: Ended) -> None:
    """The same bits, epochs and metrics. A fleet may hold places for more members."""
    for name, tensor in alone.tensors.items():
        block = together.tensors[name][tuple(slice(size) for size in tensor.shape)]
        assert torch.equal(block, tensor), name
    result, expected = together.result, alone.result
    assert (result.epochs, result.best_epoch) == (expected.epochs, expected.best_epoch)
    assert result.metrics == pytest.approx(expected.metrics, rel=1e-6, abs=1e-9)


def settings_of(name: str) -> list[Technique]:
    """The settings of its examples."""
    return [techniques()[name].model_validate(settings) for settings in EXAMPLES[name].settings]


def same(one: Ended, other: Ended) -> bool:
    """Whether two trials ended at the same weights."""
    return one.flat.shape == other.flat.shape and torch.allclose(one.flat, other.flat)


def test_every_technique_has_an_example_and_no_other_has() -> None:
    assert list(EXAMPLES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_examples_say_something_of_every_field(name: str) -> None:
    settings, technique = EXAMPLES[name].settings, techniques()[name]
    # Factors name columns of one data set: tests/api/test_linear_models.py tries them.
    assert set().union(*settings) == set(technique.model_fields) - {"factors"}
    assert len({technique.model_validate(one).model_dump_json() for one in settings}) == 3


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_tried_where_they_act(name: str) -> None:
    technique, needed = techniques()[name], table
    if issubclass(technique, BranchDropout | BranchMerge):
        needed = residual
    elif issubclass(technique, ImageAugmentation | SpatialDropout):
        needed = digits
    assert needed in EXAMPLES[name].stages


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        pytest.param(
            name,
            stage,
            id=f"{name}-{stage.__name__}",
            # What draws is tried alone and in company by test_company.py, too.
            marks=() if stage is example.stages[0] and name not in RANDOM else pytest.mark.slow,
        )
        for name, example in EXAMPLES.items()
        for stage in example.stages
    ],
)
def test_trial_equals_its_fleet_of_one(name: str, stage: Stage) -> None:
    """And all learn, each to other weights than the others and than "off"."""
    mixed: list[dict[str, Any]] = [{}, *({name: one} for one in EXAMPLES[name].settings), {}]
    off, *on, last = train(stage, *mixed)
    structures = {
        (trial.fleet.engine.loss.is_by_hand, settings.structure())
        for trial, settings in zip(on, settings_of(name), strict=True)
    }
    assert len({id(trial.fleet) for trial in on}) == len(structures), "one program fits them all"
    agree(off, last)  # whatever its place
    for row, trial in enumerate([off, *on]):
        agree(trial, train_alone(stage, json.dumps(mixed[row])))
        assert trial.flat.isfinite().all()
        assert trial.has_learned
        assert not any(same(trial, other) for other in [off, *on][:row])
