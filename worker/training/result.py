"""What a finished fleet gives: how each trial ended, and all models as one file."""

import math
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from torch import Tensor

from worker.advice import advise_on_result
from worker.data import Prepared
from worker.models import FORMAT, Manifest, ModelFile
from worker.networks import count_parameters
from worker.results import Fitted, NetworkReport, TrialResult
from worker.training.engine import Engine
from worker.training.final import Threshold, measure_finals, set_thresholds, threshold_advice
from worker.training.fleet_data import PARTS
from worker.training.outcome import Outcome
from worker.training.sparsity import reports

PROBE_ROWS = 8
"""Rows whose answers are recorded with a model, so that every later load can be checked."""


def trial_results(
    engine: Engine,
    prepared: Prepared,
    outcomes: Sequence[Outcome],
    threshold: Threshold | None = None,
) -> list[TrialResult]:
    """Measure every trial on its final weights and say what is to be said."""
    thresholds = set_thresholds(engine, prepared, threshold)
    columns = _measured(engine, outcomes, threshold)
    loss = columns.get("validation_loss", columns["train_loss"])
    objective = [
        value if outcome.error is None and math.isfinite(value) else None
        for value, outcome in zip(loss, outcomes, strict=True)
    ]
    network_reports = _fitted(engine, prepared, reports(engine, prepared, objective))
    finals = measure_finals(engine, prepared, objective)
    columns |= finals.metrics
    if any(value is not None for value in thresholds):
        columns["threshold"] = [math.nan if value is None else value for value in thresholds]
    results = []
    for row, (trial, outcome) in enumerate(zip(engine.trials, outcomes, strict=True)):
        metrics = {name: _finite(column[row]) for name, column in columns.items()}
        failed = outcome.error is not None
        advice = [] if failed else advise_on_result(trial, metrics, solved=outcome.solved)
        if threshold is not None and not failed and thresholds[row] is None:
            advice.append(threshold_advice(trial.name))
        report = network_reports[row]
        if report is not None:
            report = report.model_copy(update={"curves": finals.curves[row]})
        results.append(
            TrialResult(
                state="failed" if failed else "succeeded",
                metrics={} if failed else metrics,
                epochs=outcome.epochs,
                best_epoch=outcome.best_epoch,
                error=outcome.error,
                report=report,
                halved_at=outcome.halved_at,
                advice=advice,
            )
        )
    return results


def _measured(
    engine: Engine, outcomes: Sequence[Outcome], threshold: Threshold | None
) -> dict[str, list[float]]:
    """The metrics of every epoch, of the final weights: one value a trial, NaN where there is none.

    They were measured when these weights were trained, unless the thresholds were not yet known.
    """
    known = [outcome.measured for outcome in outcomes if outcome.error is None]
    is_late = engine.data.task == "binary" and not isinstance(threshold, float | None)
    if is_late or not known or None in known:
        return {name: values.tolist() for name, values in engine.measure().items()}
    names = [name for name in known[0] or {} if name.startswith(PARTS) or name == "gap"]
    columns = {
        name: [_number((outcome.measured or {}).get(name)) for outcome in outcomes]
        for name in names
    }
    of_weights = {name: values.tolist() for name, values in engine.measure_weights().items()}
    return columns | of_weights


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _fitted(
    engine: Engine, prepared: Prepared, network_reports: Sequence[NetworkReport | None]
) -> list[NetworkReport | None]:
    """The reports, and in each what its trial was fitted to."""
    target, by_fold = prepared.target, dict[int, Fitted]()
    counts = engine.data.class_rows().cpu()
    with_it: list[NetworkReport | None] = []
    for row, (trial, report) in enumerate(zip(engine.trials, network_reports, strict=True)):
        if report is None:
            with_it.append(None)
            continue
        fold = trial.fold or 0
        if fold not in by_fold:
            rows, deviation = prepared.splits[fold].train, None
            if target.task == "regression":
                unit = float(prepared.target_scale[fold])
                deviation = float(np.std(prepared.y[fold][rows], dtype=np.float64)) * unit
            by_fold[fold] = Fitted(
                task=target.task,
                rows=len(rows),
                measured=engine.data.rows_measured("train"),
                classes=len(target.classes),
                target_sd=deviation,
                weighted=prepared.weights is not None,
                offset=prepared.offset is not None,
            )
        fitted, weights = by_fold[fold], trial.regularization.class_weights
        if weights is not None:
            mean = weights.mean(target.classes, counts[row])
            fitted = fitted.model_copy(update={"mean_weight": mean})
        with_it.append(report.model_copy(update={"fitted": fitted}))
    return with_it


@torch.no_grad()
def model_file(engine: Engine, prepared: Prepared, threshold: Threshold | None = None) -> ModelFile:
    """Weights, buffers, preprocessing constants and recorded answers of a finished fleet."""
    thresholds = set_thresholds(engine, prepared, threshold)
    engine.network.eval()
    weights = engine.parameters.named(engine.parameters.values)
    tensors = {f"weights.{name}": t.contiguous().cpu() for name, t in weights.items()}
    tensors |= {f"buffers.{n}": t.detach().cpu() for n, t in engine.buffers().items()}
    tensors |= _members(engine)
    constants = [encoder.constants() for encoder in prepared.encoders]
    for name in constants[0]:
        tensors[f"encoder.{name}"] = torch.stack([torch.as_tensor(c[name]) for c in constants])
    tensors["target.center"] = torch.as_tensor(prepared.target_center)
    tensors["target.scale"] = torch.as_tensor(prepared.target_scale)
    probe = torch.from_numpy(prepared.x[:, :PROBE_ROWS].copy())  # [S, R, …]
    features = probe.to(engine.data.x.device)[engine.data.split]
    scores = engine.answer(features).cpu()
    if prepared.offset is not None:
        offset = torch.from_numpy(prepared.offset[:, :PROBE_ROWS, None].copy())
        probe = torch.cat([probe, offset], dim=2)
        scores = scores + offset[engine.data.split.cpu()]
    tensors["probe.features"], tensors["probe.scores"] = probe, scores
    return ModelFile(tensors, _manifest(engine, prepared, thresholds))


def _members(engine: Engine) -> dict[str, Tensor]:
    """The networks of ensembles ``[K, M, …]``, by the names that a file gives them."""
    snapshots = engine.snapshots
    if not snapshots:
        return {}
    tensors = {
        name.replace("members.", "members.buffers."): tensor.contiguous().cpu()
        for name, tensor in snapshots.tensors.items()
        if name not in ("members.weights", "members.count")
    }
    weights = snapshots.tensors["members.weights"]
    for name, tensor in engine.parameters.named(weights.flatten(0, 1)).items():
        of_members = tensor.view(-1, snapshots.size, *tensor.shape[1:])
        tensors[f"members.weights.{name}"] = of_members.contiguous().cpu()
    return tensors


def _manifest(engine: Engine, prepared: Prepared, thresholds: Sequence[float | None]) -> Manifest:
    first = engine.trials[0]
    exempt = [name for name, (_, shape) in engine.parameters.slices.items() if len(shape) < 2]
    return Manifest(
        format=FORMAT,
        trials=[trial.model_dump(mode="json") for trial in engine.trials],
        members=engine.snapshots.counts(),
        thresholds=list(thresholds) if any(t is not None for t in thresholds) else [],
        target=prepared.target.model_dump(mode="json"),
        encoder=prepared.encoders[0].schema(),
        shape=list(engine.data.shape),
        outputs=prepared.target.outputs,
        parameters={
            "total": count_parameters(
                first.network,
                engine.data.shape,
                prepared.target.outputs,
                first.regularization,
                prepared.encoders[0].number_inputs,
            ),
            "weight_tensors": len(engine.parameters.slices) - len(exempt),
            "exempt_tensors": len(exempt),
        },
        environment={
            "parsimony": _installed("parsimony"),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "device": str(engine.data.x.device),
            "machine": platform.machine(),
        },
    )


def _installed(package: str) -> str:
    """The release of a package; `0` in a source tree that is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "0"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
