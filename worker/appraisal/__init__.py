"""The appraisal of a job: its networks compared on rows that none of them was trained on.

Made once, by the fleet that ends last (docs/decisions/0033): differences with their uncertainty,
ensembles, the verdict, and what the served model keeps of rows that were held back.

``appraise``                  the appraisal as a whole. The page to begin with
``contenders, references``    the configurations that are compared; a constant answer and gradient
                              boosting
``rows``                      scores of all networks on rows held back from them
``measured, resampling``      metrics on the same rows, and on bootstrap resamples of them
``differences, verdict``      differences and how sure they are; what regularization brought, in a
                              sentence
``importance``                permutation importance of the columns

Ensembles:

``library``                   what each configuration answers on the rows that choose
``selection, ensembles``      which answer together, with what weights; whether that is better than
                              one
``measuring``                 metrics of an ensemble

The model that is served:

``served``                    the rows that it is calibrated on
``uncertainty, calibration``  intervals and their coverage; temperature scaling
"""

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
