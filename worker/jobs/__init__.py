"""The use cases of jobs, free of HTTP: accept one, or a prediction; finish a fleet and plan what
follows.

Imports torch: for trainer processes and the HTTP service.
"""

from worker.jobs.accept import JobIntake, Proposal, load_trials
from worker.jobs.checked import Checked, DataOrder, checked_file, counted_file, findings_about
from worker.jobs.encoding import matrices_in, row_encoder
from worker.jobs.finish import Appraised, Ended, OngoingJob, finish_fleet
from worker.jobs.memory import has_gpu, is_out_of_memory
from worker.jobs.predictions import PredictionIntake, answer_settings, kept_columns, opened
from worker.jobs.rows import AnsweredPart, AnsweredRows, JobRows
from worker.jobs.table_cache import TableCache
from worker.jobs.tables import load_table, stored_reading, without_unsaid

__all__ = [
    "AnsweredPart",
    "AnsweredRows",
    "Appraised",
    "Checked",
    "DataOrder",
    "Ended",
    "JobIntake",
    "JobRows",
    "OngoingJob",
    "PredictionIntake",
    "Proposal",
    "TableCache",
    "answer_settings",
    "checked_file",
    "counted_file",
    "findings_about",
    "finish_fleet",
    "has_gpu",
    "is_out_of_memory",
    "kept_columns",
    "load_table",
    "load_trials",
    "matrices_in",
    "opened",
    "row_encoder",
    "stored_reading",
    "without_unsaid",
]
