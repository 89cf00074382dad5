"""Fixes as members of a job's body: values at paths, merged into it as RFC 7396 merges."""

from typing import Any, NotRequired, TypedDict

from worker.schema import Json


class Remedy(TypedDict):
    """What an advice proposes: the members of ``Advice`` that depend on the case."""

    fix: str
    change: NotRequired[Json]
    """Missing where only words can say it."""


def change_of(*settings: tuple[str, Any]) -> Json:
    """The members that set these paths to these values; null leaves a technique out."""
    change: Json = {}
    for path, value in settings:
        *steps, last = path.split(".")
        inside = change
        for step in steps:
            inside = inside.setdefault(step, {})
        inside[last] = value
    return change


def one_digit(value: float) -> float:
    """A value to propose, rounded to its first digit."""
    return float(f"{value:.1g}")
