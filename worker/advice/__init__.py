"""Advice: findings about a job and about what came of it, each with evidence and a fix.

``job``                every rule, in the order in which findings are reported
``context``            what a rule may look at
``data, training``     rules about data; about steps, epochs and rates
``penalties, layers``  rules about penalties and decays; about dropouts and normalizations
``stopping, choice``   rules about early stopping; about the rows that choose
``results``            rules about a trial that has ended
``change``             a fix as a merge patch of the job
``equivalents``        penalties in the parameters of scikit-learn and glmnet
"""

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
