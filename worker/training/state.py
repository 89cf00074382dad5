"""A run's state at some step, and its form as files: safetensors and JSON, nothing else."""

import json
from dataclasses import dataclass
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

TENSORS, META = "state.safetensors", "state.json"


@dataclass(frozen=True)
class TrainingState:
    """Tensors with one row a trial, and the numbers beside them."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]


def dump(state: TrainingState) -> dict[str, bytes]:
    """The state as two files, by name. JSON keeps every finite float exactly."""
    tensors = {name: tensor.contiguous() for name, tensor in state.tensors.items()}
    meta = json.dumps(state.meta, allow_nan=False, sort_keys=True)
    return {TENSORS: save_tensors(tensors), META: meta.encode()}


def load(files: dict[str, bytes]) -> TrainingState:
    """The state that ``dump`` wrote."""
    return TrainingState(load_tensors(files[TENSORS]), json.loads(files[META]))
