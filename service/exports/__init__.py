"""The curves of a job as files of other tools: CSV, TensorBoard, MLflow."""

from service.exports.files import ExportedFile, JobExportFormat, exported
from service.exports.trial_curves import TrialCurves, curves_of

__all__ = ["ExportedFile", "JobExportFormat", "TrialCurves", "curves_of", "exported"]
