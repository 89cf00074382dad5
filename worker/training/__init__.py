"""Training: the loop, what it is made of, and what comes out of it."""

from worker.results.trial import TrialResult
from worker.training.certificate import Certificate, certify
from worker.training.loop import EpochReport, FleetRun
from worker.training.model import TrainedModel
from worker.training.result import FleetResult
from worker.training.state import TrainingState

__all__ = [
    "Certificate",
    "EpochReport",
    "FleetResult",
    "FleetRun",
    "TrainedModel",
    "TrainingState",
    "TrialResult",
    "certify",
]
