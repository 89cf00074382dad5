"""Small trainings without random numbers, whose final weights are stored (``assets/weights``)."""

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from torch import Tensor

from worker.data import Outline, Table, load_builtin, prepare
from worker.data.table import categorical, images
from worker.search import plan
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun

ASSETS = Path(__file__).parent / "assets"
WEIGHTS, HASHES = ASSETS / "weights.safetensors", ASSETS / "weights.json"

ADAM: dict[str, Any] = {"kind": "adam", "learning_rate": 0.02}
SGD: dict[str, Any] = {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9}
MLP: dict[str, Any] = {"kind": "mlp", "hidden": [6, 4]}
RESIDUAL: dict[str, Any] = {"kind": "residual_mlp", "width": 6, "blocks": 1}
CNN: dict[str, Any] = {"kind": "cnn", "channels": [3], "hidden": [6]}
LINEAR: dict[str, Any] = {"kind": "linear"}


def _job(
    regularization: dict[str, Any],
    network: dict[str, Any] = MLP,
    optimizer: dict[str, Any] = ADAM,
    dataset: str = "wine",
    **training: Any,
) -> dict[str, Any]:
    return {
        "dataset": {"builtin": dataset} if dataset != "pixels" else "ds_12345678",
        "network": network,
        "regularization": regularization,
        "training": {"epochs": 4, "batch_size": 32, "optimizer": optimizer, **training},
    }


JOBS: dict[str, dict[str, Any]] = {
    "plain": _job({}),
    "penalties": _job(
        {
            "l1": {"strength": 1e-3, "schedule": {"kind": "linear", "start": 0.5}},
            "l2": {"strength": 1e-3},
            "max_norm": {"norm": 0.8},
        },
        optimizer=SGD,
    ),
    "proximal": _job(
        {"l1": {"strength": 1e-2, "method": "proximal"}, "max_norm": {"norm": 0.8}},
        schedule={"kind": "cosine"},
    ),
    "elastic": _job(
        {"elastic_net": {"strength": 1e-2, "method": "proximal", "biases": True}},
        optimizer={**SGD, "nesterov": True},
    ),
    "groups": _job({"group_lasso": {"strength": 1e-2}}, schedule={"kind": "warmup", "epochs": 2}),
    "decoupled": _job(
        {"weight_decay": {"strength": 0.1}, "label_smoothing": {"smoothing": 0.2}},
        optimizer={**ADAM, "kind": "adamw"},
    ),
    "coupled": _job(
        {
            "weight_decay": {"strength": 0.01, "method": "coupled"},
            "class_weights": {"weights": {"class_0": 2}},
        },
        schedule={"kind": "step", "every": 2},
    ),
    "batch_norm": _job({"batch_norm": {}}, optimizer=SGD),
    "layer_norm": _job({"layer_norm": {}}, network=RESIDUAL),
    "residual": _job({"batch_norm": {}, "l2": {"strength": 1e-3}}, network=RESIDUAL),
    "lookahead": _job({"lookahead": {"steps": 2}}),
    "ema": _job({"ema": {"decay": 0.8}}, dataset="circle"),
    "swa": _job({"swa": {"start": 0.5}, "batch_norm": {}}),
    "snapshots": _job({"snapshot_ensemble": {"members": 2}}),
    "early_stopping": _job({"early_stopping": {"min_delta": 10.0, "patience": 1}}),
    "regression": _job({"l2": {"strength": 1e-2}}, dataset="diabetes", batch_size=128),
    "solver": _job(
        {"l1": {"strength": 1e-2, "method": "proximal"}, "l2": {"strength": 1e-3}},
        network=LINEAR,
        optimizer={"kind": "solver", "iterations": 10},
    ),
    "linear": _job({"l1": {"strength": 1e-2}}, network=LINEAR, optimizer=SGD, dataset="diabetes"),
    "cnn": _job({"batch_norm": {}, "max_norm": {"norm": 1.0}}, network=CNN, dataset="pixels"),
    "folds": {**_job({"l2": {"strength": 1e-3}}, dataset="circle"), "split": {"folds": 4}},
    "together": {
        **_job({}),
        "repeats": 2,
        "compare": [
            {"name": name, "regularization": regularization}
            for name, regularization in {
                "lasso": {
                    "l1": {"strength": 1e-2, "method": "proximal"},
                    "max_norm": {"norm": 0.9},
                },
                "averaged": {"weight_decay": {"strength": 0.1}, "ema": {"decay": 0.8}},
                "ensemble": {"snapshot_ensemble": {"members": 2}},
                "first to stop": {"early_stopping": {"min_delta": 10.0, "patience": 1}},
                "next to stop": {"early_stopping": {"min_delta": 9.0, "patience": 1}},
                "last to stop": {
                    "early_stopping": {"min_delta": 9.0, "patience": 2, "restore_best": False}
                },
            }.items()
        ],
    },
}
"""In the last one half of the trials stop, and the others go on as a smaller fleet."""


def _pixels() -> Table:
    """Sixty-four digits, 8×8."""
    pixels, labels = load_digits(return_X_y=True)
    gray = (pixels[:64].reshape(-1, 1, 8, 8) * 15).astype(np.uint8)
    names = [str(number) for number in range(10)]
    return Table.of([images("pixels", gray), categorical("digit", names, labels[:64])])


def planned_run(job: dict[str, Any]) -> FleetRun:
    """The only fleet of a job, not yet trained."""
    pixels = isinstance(job["dataset"], str)
    spec = JobSpec.model_validate({**job, "target": "digit"} if pixels else job)
    if isinstance(spec.dataset, Builtin):
        table, target = load_builtin(spec.dataset)
    else:
        table, target = _pixels(), None
    (fleet,) = plan(spec, Outline.of(table, spec, target))
    return FleetRun(fleet.trials, prepare(table, spec, target))


def final_weights(name: str) -> dict[str, Tensor]:
    """What a training ends with: weights, running averages, members of an ensemble."""
    run = planned_run(JOBS[name])
    for _ in run.epochs():
        pass
    kinds = ("weights.", "buffers.", "members.")
    tensors = run.result().tensors
    return {name: tensors[name].contiguous() for name in sorted(tensors) if name.startswith(kinds)}


def sha256(tensors: dict[str, Tensor]) -> str:
    """A hash of names, types, shapes and bits."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].cpu()
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        total.update(tensor.numpy().tobytes())
    return total.hexdigest()


def arithmetic() -> dict[str, str]:
    """What bits depend on, besides the code."""
    return {
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
    }


def _processor() -> str:
    """The processor's maker, by which matrix libraries choose their code; where Linux tells it."""
    lines = Path("/proc/cpuinfo")
    text = lines.read_text(encoding="utf-8") if lines.exists() else ""
    found = [line.partition(":")[2].strip() for line in text.splitlines() if "vendor_id" in line]
    return found[0] if found else ""


def stored_weights() -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """The stored tensors by training and name; their hashes and the arithmetic they came from."""
    by_training: dict[str, dict[str, Tensor]] = {name: {} for name in JOBS}
    for key, tensor in load_file(WEIGHTS).items():
        training, _, name = key.partition("/")
        by_training.setdefault(training, {})[name] = tensor
    facts: dict[str, Any] = json.loads(HASHES.read_text(encoding="utf-8"))
    return by_training, facts
