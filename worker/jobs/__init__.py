"""The use cases of jobs, free of HTTP: a job is accepted, a fleet is finished.

Imports torch: for trainer processes and the HTTP service.

``accept``               from a specification to committed rows. The page to begin with
``admission``            a job that costs more than this service allows is refused
``checked``              what is known of a job's data, and what was found in them
``finish``               a fleet ends: results are stored and ranked, the next are planned, the job
                         is concluded
``predictions``          a prediction of a stored data set is accepted
``rows``                 which rows a job used for what, and how its trials answer them
``tables, table_cache``  from a data set to its table; tables and their checks, kept in memory
``encoding, memory``     encoded rows for a trainer; how much memory a fleet may take
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
