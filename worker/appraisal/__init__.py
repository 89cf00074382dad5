"""What can be said of a job's networks together, on rows that none of them was trained on."""

from worker.appraisal.appraise import appraise
from worker.appraisal.contenders import Beside, Contender, TrainedTrial, wanted
from worker.appraisal.ensembles import Servable, choose_served, servables
from worker.appraisal.library import Library
from worker.appraisal.measuring import (
    chosen_scores,
    chosen_threshold,
    joint_scores,
    measured,
    members_of,
)
from worker.appraisal.rows import MOST_SCORES, held_out
from worker.appraisal.served import ServedTrial, joint_uncertainty, served_uncertainty
from worker.appraisal.uncertainty import AppraisedUncertainty

__all__ = [
    "MOST_SCORES",
    "AppraisedUncertainty",
    "Beside",
    "Contender",
    "Library",
    "Servable",
    "ServedTrial",
    "TrainedTrial",
    "appraise",
    "choose_served",
    "chosen_scores",
    "chosen_threshold",
    "held_out",
    "joint_scores",
    "joint_uncertainty",
    "measured",
    "members_of",
    "servables",
    "served_uncertainty",
    "wanted",
]
