"""The use cases of jobs, free of HTTP: accept one; finish a fleet and plan what follows.

Imports torch: for trainer processes and the HTTP service.
"""

from worker.jobs.accept import JobIntake, load_trials
from worker.jobs.finish import OngoingSearch, finish_fleet
from worker.jobs.memory import is_out_of_memory
from worker.jobs.table_cache import TableCache

__all__ = [
    "JobIntake",
    "OngoingSearch",
    "TableCache",
    "finish_fleet",
    "is_out_of_memory",
    "load_trials",
]
