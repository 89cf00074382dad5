"""What a finished fleet gives: how each trial ended, and all models as one stack of tensors."""

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from worker.advice import advise_on_result
from worker.data import Prepared
from worker.networks import count_parameters
from worker.results.trial import TrialResult
from worker.schema import Json
from worker.training.outcome import Outcome
from worker.training.program import Program
from worker.training.sparsity import reports

PROBE_ROWS = 8
"""Rows whose answers are recorded with a model, so that every later load can be checked."""


@dataclass(frozen=True)
class FleetResult:
    """The models of a fleet: tensors ``[K, …]`` or ``[S, …]``, and a manifest in JSON."""

    tensors: dict[str, Tensor]
    manifest: Json

    def dump(self) -> bytes:
        """One safetensors file; the manifest lies in it as a tensor of bytes, ``manifest``."""
        text = json.dumps(self.manifest, allow_nan=False, sort_keys=True).encode()
        manifest = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        return save_tensors({"manifest": manifest, **self.tensors})


def trial_results(
    program: Program, prepared: Prepared, outcomes: Sequence[Outcome]
) -> list[TrialResult]:
    """Measure every trial on its final weights and say what is to be said."""
    columns = {name: values.tolist() for name, values in program.measure().items()}
    loss = columns.get("validation_loss", columns["train_loss"])
    objective = [
        value if outcome.error is None and math.isfinite(value) else None
        for value, outcome in zip(loss, outcomes, strict=True)
    ]
    found = reports(program, prepared, objective)
    results = []
    for row, (trial, outcome) in enumerate(zip(program.trials, outcomes, strict=True)):
        metrics = {name: _finite(column[row]) for name, column in columns.items()}
        failed = outcome.error is not None
        advice = [] if failed else advise_on_result(trial.name, metrics, solved=outcome.solved)
        results.append(
            TrialResult(
                state="failed" if failed else "succeeded",
                metrics={} if failed else metrics,
                epochs=outcome.epochs,
                best_epoch=outcome.best_epoch,
                error=outcome.error,
                report=found[row],
                halved_at=outcome.halved_at,
                advice=advice,
            )
        )
    return results


@torch.no_grad()
def fleet_result(program: Program, prepared: Prepared) -> FleetResult:
    """Weights, buffers, preprocessing constants and recorded answers of a finished fleet."""
    program.network.eval()
    tensors = {
        f"weights.{name}": tensor.contiguous().cpu()
        for name, tensor in program.parameters.named(program.parameters.values).items()
    }
    tensors |= {f"buffers.{n}": t.detach().cpu() for n, t in program.buffers().items()}
    tensors |= program.ensemble.named(program.parameters)
    constants = [encoder.constants() for encoder in prepared.encoders]
    for name in constants[0]:
        tensors[f"encoder.{name}"] = torch.stack([torch.as_tensor(c[name]) for c in constants])
    tensors["target.center"] = torch.as_tensor(prepared.target_center)
    tensors["target.scale"] = torch.as_tensor(prepared.target_scale)
    probe = torch.from_numpy(prepared.x[:, :PROBE_ROWS].copy())  # [S, R, …]
    tensors["probe.features"] = probe
    rows = probe.to(program.data.x.device)[program.data.split]
    tensors["probe.scores"] = program.answer(rows).cpu()
    return FleetResult(tensors, _manifest(program, prepared))


def _manifest(program: Program, prepared: Prepared) -> Json:
    first = program.trials[0]
    exempt = [name for name, (_, shape) in program.parameters.slices.items() if len(shape) < 2]
    return {
        "format": 1,
        "trials": [trial.model_dump(mode="json") for trial in program.trials],
        "members": program.ensemble.counts(),
        "target": prepared.target.model_dump(mode="json"),
        "encoder": prepared.encoders[0].schema(),
        "shape": list(program.data.shape),
        "outputs": prepared.target.outputs,
        "parameters": {
            "total": count_parameters(
                first.network, program.data.shape, prepared.target.outputs, first.regularization
            ),
            "weight_tensors": len(program.parameters.slices) - len(exempt),
            "exempt_tensors": len(exempt),
        },
        "environment": {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "device": str(program.data.x.device),
            "machine": platform.machine(),
        },
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
