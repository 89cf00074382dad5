"""The use cases of jobs, free of HTTP: accept one; finish a fleet and plan what follows.

Imports torch: for trainer processes and the HTTP service.
"""

from worker.jobs.accept import JobIntake, Proposal, load_trials
from worker.jobs.finish import OngoingJob, finish_fleet
from worker.jobs.memory import has_gpu, is_out_of_memory
from worker.jobs.table_cache import TableCache

__all__ = [
    "JobIntake",
    "OngoingJob",
    "Proposal",
    "TableCache",
    "finish_fleet",
    "has_gpu",
    "is_out_of_memory",
    "load_trials",
]
