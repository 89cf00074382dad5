"""Advice on a job before it runs."""

from worker.advice.advice import Advice
from worker.advice.configuration import configurations
from worker.advice.registry import RULES
from worker.data import Outline
from worker.spec import JobSpec

MOST_OTHERS = 10
"""Further fields that a finding lists at most."""


def advise(spec: JobSpec, outline: Outline) -> list[Advice]:
    """What can be said about a job before it runs; nothing is encoded, nothing allocated.

    A finding about the same field of several configurations is told once, of the first; its
    evidence lists the other fields under `also`. Warnings come first.
    """
    first: dict[tuple[str, str | None], Advice] = {}
    others: dict[tuple[str, str | None], list[str]] = {}
    for configuration in configurations(spec, outline):
        for rule in RULES:
            for finding in rule(configuration):
                key, field = (finding.code, finding.field), configuration.path(finding.field)
                if key not in first:
                    first[key] = finding.model_copy(update={"field": field})
                    others[key] = []
                elif field is not None and field not in {first[key].field, *others[key]}:
                    others[key].append(field)
    findings = [_with_others(finding, others[key]) for key, finding in first.items()]
    return sorted(findings, key=lambda finding: finding.severity != "warning")


def _with_others(finding: Advice, fields: list[str]) -> Advice:
    if not fields:
        return finding
    evidence = finding.evidence | {"also": fields[:MOST_OTHERS]}
    if len(fields) > MOST_OTHERS:
        evidence["more"] = len(fields) - MOST_OTHERS
    return finding.model_copy(update={"evidence": evidence})
