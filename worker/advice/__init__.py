"""Advice: findings about a job and about what came out of it, each with evidence and a fix."""

from worker.advice.choice import advise_on_missing_objective
from worker.advice.equivalents import equivalents
from worker.advice.job import advise
from worker.advice.results import advise_on_result

__all__ = [
    "advise",
    "advise_on_missing_objective",
    "advise_on_result",
    "equivalents",
]
