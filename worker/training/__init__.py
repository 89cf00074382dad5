"""Training. Begin with ``fleet.py``: a fleet, an epoch, a step, the end of an epoch."""

from worker.training.final import Threshold
from worker.training.fleet import EpochReport, FleetRun
from worker.training.losses import DataLoss, data_loss
from worker.training.probe import Probe, probe
from worker.training.processor import (
    compute_exactly,
    give_memory_back,
    threads_for,
    tune_processor,
)
from worker.training.state import Position, TrainingState, dump_state, load_state

__all__ = [
    "DataLoss",
    "EpochReport",
    "FleetRun",
    "Position",
    "Probe",
    "Threshold",
    "TrainingState",
    "compute_exactly",
    "data_loss",
    "dump_state",
    "give_memory_back",
    "load_state",
    "probe",
    "threads_for",
    "tune_processor",
]
