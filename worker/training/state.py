"""A run's state at some step, and its form as files: safetensors and JSON, nothing else.

No generator is in it: random numbers follow from seed, place, epoch and step, so a state goes on
where there is another device too, though it is rounded otherwise there.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, field_validator
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from worker.training.environment import Environment
from worker.training.outcome import Outcome

if TYPE_CHECKING:
    from worker.training.fleet import FleetRun

TENSORS, META = "state.safetensors", "state.json"
FORMAT = 1
"""Of the two files. It grows when a release before could not go on from them; what is added to the
state, and may be missing, does not count."""


class Position(BaseModel):
    """How far a fleet is, and what has become of its trials."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    """Epochs that have ended."""
    batch: int
    """Batches of the next one that have."""
    steps: int
    members: list[int]
    """The trial that each row of the state is."""
    outcomes: list[Outcome]
    """Of all trials."""
    halving: dict[str, list[float | None]] | None = None
    """What successive halving remembers."""
    format: int = FORMAT
    environment: Environment | None = None
    """Where it was written; none of releases before the format had a number."""

    @field_validator("format")
    @classmethod
    def format_is_known(cls, number: int) -> int:
        """Refuse what a later release wrote."""
        if number != FORMAT:
            raise ValueError(f"the state has format {number}; this release reads {FORMAT}")
        return number


@dataclass(frozen=True)
class TrainingState:
    """What a fleet goes on from.

    ``tensors`` are those of the trials that train (``rows.…``, one row a trial) and what all trials
    end with (``finals.…``).
    """

    tensors: dict[str, Tensor]
    position: Position

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, without it."""
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }


def training_state(run: "FleetRun") -> TrainingState:
    """The state of a run, on the processor."""
    tensors = {f"rows.{n}": t.detach().cpu() for n, t in run.engine.state.tensors.items()}
    tensors |= {f"finals.{name}": tensor for name, tensor in run.finals.tensors.items()}
    position = Position(
        epoch=run.epoch,
        batch=run.batch,
        steps=run.steps,
        members=run.members,
        outcomes=[replace(outcome) for outcome in run.outcomes],
        halving=None if run.halving is None else run.halving.state(),
        environment=run.environment,
    )
    return TrainingState(tensors, position)


def dump_state(state: TrainingState) -> dict[str, bytes]:
    """The state as two files, by name. JSON keeps every finite float exactly."""
    tensors = {name: tensor.contiguous() for name, tensor in state.tensors.items()}
    return {TENSORS: save_tensors(tensors), META: state.position.model_dump_json().encode()}


def load_state(files: dict[str, bytes]) -> TrainingState:
    """The state that ``dump_state`` wrote; ``ValueError`` when a later release did."""
    return TrainingState(load_tensors(files[TENSORS]), Position.model_validate_json(files[META]))
