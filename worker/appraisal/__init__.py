"""What can be said of a job's networks together, on rows that none of them was trained on."""

from worker.appraisal.appraise import appraise
from worker.appraisal.contenders import Beside, Contender, TrainedTrial, wanted

__all__ = ["Beside", "Contender", "TrainedTrial", "appraise", "wanted"]
