"""Models: the file format, the trained model, its certificate, its predictions."""

from worker.models.answers import PLAIN, AnswerRow, Answers, AnswerSettings
from worker.models.asked import Answerable
from worker.models.certificate import Certificate, certify
from worker.models.coefficients import Coefficients
from worker.models.columns import answer_columns, true_column
from worker.models.conformal import (
    Calibrated,
    CalibrationManifest,
    Nonconformity,
    class_nonconformity,
    kept_scores,
    most_coverage,
    value_nonconformity,
)
from worker.models.ensemble import EnsembleMember, join_members
from worker.models.file import FORMAT, Manifest, ModelFile, read_manifest, read_ranges
from worker.models.forward import mean_scores
from worker.models.probabilities import class_probabilities, weighted_mean
from worker.models.scoring import Scoring
from worker.models.trained_model import TrainedModel

__all__ = [
    "FORMAT",
    "PLAIN",
    "AnswerRow",
    "AnswerSettings",
    "Answerable",
    "Answers",
    "Calibrated",
    "CalibrationManifest",
    "Certificate",
    "Coefficients",
    "EnsembleMember",
    "Manifest",
    "ModelFile",
    "Nonconformity",
    "Scoring",
    "TrainedModel",
    "answer_columns",
    "certify",
    "class_nonconformity",
    "class_probabilities",
    "export",
    "join_members",
    "kept_scores",
    "mean_scores",
    "most_coverage",
    "read_manifest",
    "read_ranges",
    "true_column",
    "value_nonconformity",
    "weighted_mean",
]
