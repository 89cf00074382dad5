"""The curves of a job as files of other tools.

``trial_curves``         what is exported of a trial; CSV
``tensorboard, mlflow``  event files; a folder of runs
``files``                an export as one file
"""

from service.exports.files import ExportedFile, JobExportFormat, exported
from service.exports.trial_curves import TrialCurves, curves_of

__all__ = ["ExportedFile", "JobExportFormat", "TrialCurves", "curves_of", "exported"]
