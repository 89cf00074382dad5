"""Training. Begin with ``fleet.py``: a fleet, an epoch, a step, the end of an epoch."""

from worker.training.fleet import EpochReport, FleetRun
from worker.training.state import TrainingState

__all__ = ["EpochReport", "FleetRun", "TrainingState"]
