"""Models: the file format, the trained model, its certificate, its predictions.

A fleet leaves one file with all its trials; a model is one trial of it, or an ensemble of several.
Loading rebuilds the network and proves that it is in eval mode before it may answer.

From file to model:

``file``                          the one file format, its writer and its reader
``trained_model``                 a model that is ready to answer. The page to begin with
``certificate``                   the proof, at every load, that nothing of training acts any more
``randomness``                    random operations, observed as they happen: part of that proof
``untrained``                     inputs that no training row ever moved, and which must not act
``ensemble``                      an ensemble as a file

Answering:

``answerable``                    what a model can be asked for: intervals, members, samples
``forward, joint_forward``        the forward pass, in which a row has the same bits in any batch;
                                  of ensembles
``probabilities``                 from scores to probabilities
``stochastic, joint_stochastic``  Monte Carlo dropout; of ensembles
``members``                       the answers of each network of an ensemble
``conformal``                     temperatures and intervals, from rows that did not train the model
``answers, columns``              answers by column; appended to a table

About a model:

``scoring``                       how good its answers are where the truth is known
``coefficients``                  what a linear network has learnt, in the units of the columns
``export``                        a package: the model as a file for other runtimes

What other rooms use is listed below.
"""

from worker.models.answerable import Answerable
from worker.models.answers import PLAIN, AnswerRow, Answers, AnswerSettings
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
