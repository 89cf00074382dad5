"""MLflow's folder of runs (its file store): a job is an experiment, a trial a run.

::

    <experiment>/meta.yaml
    <experiment>/<run>/meta.yaml
    <experiment>/<run>/metrics/<name>     a line an epoch: milliseconds, value, step
    <experiment>/<run>/params/<path>      a setting
    <experiment>/<run>/tags/mlflow.runName

Source: mlflow/store/tracking/file_store.py.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping

from service.exports.trial_curves import TrialCurves

STATUS = {"succeeded": 3, "failed": 4, "cancelled": 5, "running": 1, "queued": 2, "paused": 2}
"""Of a run, by a trial's state: MLflow's FINISHED, FAILED, KILLED, RUNNING, SCHEDULED."""
LONGEST_PARAMETER = 6000
LOCAL = 4
"""MLflow's source type of a program on this machine."""


def experiment_number(job: str) -> str:
    """MLflow's id of an experiment is a number: 18 digits that follow from the job's id."""
    return str(10**17 + int(hashlib.sha256(job.encode()).hexdigest(), 16) % (9 * 10**17))


def run_number(trial: str) -> str:
    """MLflow's id of a run is 32 hexadecimal digits."""
    return hashlib.sha256(trial.encode()).hexdigest()[:32]


def run_files(job: str, name: str, trials: list[TrialCurves]) -> Iterator[tuple[str, bytes]]:
    """The files of an experiment, by their paths below ``mlruns``."""
    experiment = experiment_number(job)
    began = min((_milliseconds(trial, 0) for trial in trials), default=0)
    yield (
        f"{experiment}/meta.yaml",
        _yaml(
            artifact_location=f"mlruns/{experiment}",
            creation_time=began,
            experiment_id=experiment,
            last_update_time=began,
            lifecycle_stage="active",
            name=f"{name} {job}".strip(),
        ),
    )
    for trial in trials:
        run = run_number(trial.id)
        folder = f"{experiment}/{run}"
        yield f"{folder}/meta.yaml", _run(experiment, run, trial)
        for inner in ("artifacts", "metrics", "params"):
            yield f"{folder}/{inner}/", b""  # MLflow takes a folder without these for no run
        yield f"{folder}/tags/mlflow.runName", trial.label.encode()
        yield f"{folder}/tags/parsimony.trial", trial.id.encode()
        for path, value in _parameters(trial.settings):
            yield f"{folder}/params/{path}", value[:LONGEST_PARAMETER].encode()
        for metric in trial.series:
            yield f"{folder}/metrics/{metric}", _curve(trial, metric)
        for metric, final in trial.final.items():
            if metric not in trial.series and final is not None:
                line = f"{_milliseconds(trial, trial.epochs)} {final!r} {trial.epochs}\n"
                yield f"{folder}/metrics/{metric}", line.encode()


def _run(experiment: str, run: str, trial: TrialCurves) -> bytes:
    return _yaml(
        artifact_uri=f"mlruns/{experiment}/{run}/artifacts",
        end_time=_milliseconds(trial, trial.epochs),
        entry_point_name="",
        experiment_id=experiment,
        lifecycle_stage="active",
        run_id=run,
        run_name=trial.label,
        run_uuid=run,
        source_name="parsimony",
        source_type=LOCAL,
        source_version="",
        start_time=_milliseconds(trial, 0),
        status=STATUS[trial.state],
        tags=[],
        user_id="parsimony",
    )


def _curve(trial: TrialCurves, metric: str) -> bytes:
    lines = [
        f"{_milliseconds(trial, epoch)} {value!r} {epoch}\n"
        for epoch, value in enumerate(trial.series[metric], 1)
        if value is not None
    ]
    return "".join(lines).encode()


def _milliseconds(trial: TrialCurves, epoch: int) -> int:
    return int(1000 * trial.time_of(epoch))


def _yaml(**members: object) -> bytes:
    """YAML whose scalars are JSON, which all of YAML reads alike."""
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in members.items()).encode()


def _parameters(settings: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """A trial's settings by their paths, those that are off left out."""
    for name, value in settings.items():
        path = f"{above}{name}"
        if isinstance(value, dict):
            yield from _parameters(value, f"{path}.")
        elif value is not None:
            yield path, value if isinstance(value, str) else json.dumps(value)
