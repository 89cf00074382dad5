"""Models: the file format, the trained model, its certificate, its predictions."""

from worker.models.answers import PLAIN, Answers, AnswerSettings
from worker.models.certificate import Certificate, certify
from worker.models.file import FORMAT, Manifest, ModelFile
from worker.models.forward import Forward, mean_scores
from worker.models.trained_model import TrainedModel

__all__ = [
    "FORMAT",
    "PLAIN",
    "AnswerSettings",
    "Answers",
    "Certificate",
    "Forward",
    "Manifest",
    "ModelFile",
    "TrainedModel",
    "certify",
    "export",
    "mean_scores",
]
