"""Models: the file format, the trained model, its certificate, its predictions."""

from worker.models.answers import MOST_SAMPLES, PLAIN, AnswerRow, Answers, AnswerSettings
from worker.models.certificate import Certificate, certify
from worker.models.coefficients import Coefficients
from worker.models.columns import answer_columns, true_column
from worker.models.ensemble import EnsembleMember, join_members
from worker.models.file import FORMAT, Manifest, ModelFile, read_manifest, read_ranges
from worker.models.forward import mean_scores
from worker.models.probabilities import weighted_mean
from worker.models.scoring import Scoring
from worker.models.trained_model import TrainedModel

__all__ = [
    "FORMAT",
    "MOST_SAMPLES",
    "PLAIN",
    "AnswerRow",
    "AnswerSettings",
    "Answers",
    "Certificate",
    "Coefficients",
    "EnsembleMember",
    "Manifest",
    "ModelFile",
    "Scoring",
    "TrainedModel",
    "answer_columns",
    "certify",
    "export",
    "join_members",
    "mean_scores",
    "read_manifest",
    "read_ranges",
    "true_column",
    "weighted_mean",
]
