"""Models: the file format, the trained model, its certificate, its predictions."""

from worker.models.certificate import Certificate, certify
from worker.models.file import FORMAT, Manifest, ModelFile
from worker.models.trained_model import TrainedModel, mean_scores

__all__ = [
    "FORMAT",
    "Certificate",
    "Manifest",
    "ModelFile",
    "TrainedModel",
    "certify",
    "mean_scores",
]
