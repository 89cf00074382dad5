"""Advice for tests: on a job as a user writes it, on data as a test describes them."""

from dataclasses import replace
from typing import Any

from worker.advice import advise
from worker.data import Outline, load_builtin
from worker.results import Advice
from worker.spec import Builtin, JobSpec

SELU = {"kind": "mlp", "hidden": [50, 50], "activation": "selu"}
CNN = {"kind": "cnn", "channels": [4, 4], "hidden": [8]}
ONE_LAYER = {"kind": "mlp", "hidden": [50]}
LINEAR = {"kind": "linear"}
SGD = {"optimizer": {"kind": "sgd"}}


def outlined(spec: JobSpec, **data: Any) -> Outline:
    """What is known of a job's built-in data, with some of it replaced."""
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    return replace(Outline.of(table, spec, target), **data)


def findings(data: dict[str, Any] | None = None, **job: Any) -> list[Advice]:
    """What is said about a job, by default on the circle problem."""
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
    return advise(spec, outlined(spec, **data or {}))


def found(code: str, data: dict[str, Any] | None = None, **job: Any) -> Advice:
    """The only finding of that code."""
    (finding,) = [each for each in findings(data, **job) if each.code == code]
    assert finding.evidence
    assert finding.message.endswith(".")
    assert finding.fix.endswith(".")
    return finding


def silent(code: str, data: dict[str, Any] | None = None, **job: Any) -> bool:
    """Whether a rule has nothing to say."""
    return code not in {each.code for each in findings(data, **job)}
