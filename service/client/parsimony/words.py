"""What the service says, in sentences: for the terminal, for notebooks, for error messages."""

import json
from collections.abc import Iterator, Sequence

from parsimony.answers import ENDED, BriefJob, Finding, JobData, MetricsData

CURVES = ("train_loss", "validation_loss")
"""The losses that are told while a job runs: honest ones, without penalty and noise."""


def number(value: float | None) -> str:
    """Four significant digits; a dash for what was not measured."""
    if value is None:
        return "–"
    return f"{value:.4f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.4g}"


def duration(seconds: float) -> str:
    """``8 s``, ``2:05`` or ``3:10:00``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes = f"{rest // 60:02d}:{rest % 60:02d}"
    return f"{hours}:{minutes}" if hours else minutes.removeprefix("0")


def losses(metrics: MetricsData | None) -> str:
    """The newest losses of a trial: ``train 0.1432, validation 0.2011``."""
    if metrics is None:
        return ""
    parts = []
    for name in CURVES:
        known = [value for value in metrics["metrics"].get(name, []) if value is not None]
        if known:
            parts.append(f"{name.removesuffix('_loss')} {number(known[-1])}")
    return ", ".join(parts)


def standing(job: JobData | BriefJob) -> str:
    """Where a job stands, in some words."""
    state, progress, trials = job["state"], job["progress"], job["trials"]
    if state == "running":
        text = f"running, {progress['fraction']:.0%}"
        if progress["eta_seconds"] is not None:
            text += f", {duration(progress['eta_seconds'])} left"
        return text
    if state == "failed" and job["error"] is not None:
        return f"failed: {job['error']['message']}"
    if state == "succeeded" and trials["failed"]:
        return f"succeeded, {trials['failed']} of {trials['total']} trials failed"
    return state


def waits_for(job: JobData) -> str | None:
    """Why a job does not move, where it is known."""
    if job["waiting_for"]:
        return f"waits for {job['waiting_for']}"
    if job["state"] == "queued":
        return "waits for a worker"
    if job["state"] == "paused":
        return "is paused; resume it to let it go on"
    return None


def mending(finding: Finding) -> str | None:
    """The line that mends a finding, as a member of the job's body; none where no line does."""
    change = finding["change"]
    return None if change is None else json.dumps(change, ensure_ascii=False)


def sentences(
    findings: Sequence[Finding], told: set[str] | None = None
) -> Iterator[tuple[str, str, str | None]]:
    """Severity, what was found and what to do, and the line that does it; each message once, and
    none of those that were ``told``, which grow.
    """
    told = set() if told is None else told
    for finding in findings:
        if finding["message"] in told:
            continue
        told.add(finding["message"])
        text = f"{finding['message']} {finding['fix']}".strip()
        yield finding["severity"], text, mending(finding)


def result(job: JobData) -> str | None:
    """What came of a job, in a sentence; none before it has a best."""
    best = job["best"]
    if best is None:
        return None
    so_far = "" if job["state"] in ENDED else " so far"
    text = f"best{so_far}: {best['name'] or best['trial']}"
    if best["value"] is not None:
        text += f", {job['objective']} {number(best['value'])}"
    model = job["model"]
    if model is not None and model["version"] is not None:
        text += f"; it is version {model['version']} of the model {model['name']}"
    return text
