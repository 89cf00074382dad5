"""What training and searching come to, each typed once: computed, stored and sent as it is.

Nothing here imports torch, so that storage and the supervisor may.

``trial``                     how a trial or a job ended: metrics, error, advice, winner
``ranking``                   the one order of configurations: who is best
``comparison, search, path``  reports: of a comparison, of a search, of a path over the strength
``appraisal, ensembles``      the comparison of a job's networks as it ends; networks that answer
                              together
``curves, sparsity``          how a classifier answers; what is left of a network
``model, uncertainty``        what a served model answers; how sure it is
``understood, equivalents``   how a job's data was understood; its penalties in other libraries'
                              words
"""

from worker.results.appraisal import (
    Appraisal,
    ColumnImportance,
    ConfigurationIntervals,
    Difference,
    Judgement,
    MetricInterval,
    PermutationImportance,
    Role,
)
from worker.results.comparison import (
    Attribution,
    ConfigurationReport,
    Curve,
    Effect,
    Pair,
    Spread,
    caveat,
    effects,
    mean_curve,
    spreads,
)
from worker.results.curves import (
    Calibration,
    Curves,
    PartCurves,
    PrecisionRecallCurve,
    RocCurve,
)
from worker.results.ensembles import (
    Choice,
    ChoiceCandidate,
    Ensemble,
    EnsembleConfiguration,
    EnsembleKind,
    EnsembleMetrics,
)
from worker.results.equivalents import Equivalent, Fitted
from worker.results.model import Check, Prediction, PredictionWarning
from worker.results.path import PathReport, WeightPath
from worker.results.ranking import (
    UNSCORED,
    Group,
    Rank,
    Standing,
    competes,
    objective_of,
    place_of,
    rank,
    score_of,
    standing_of,
)
from worker.results.search import (
    Baseline,
    Bin,
    Candidate,
    FieldReport,
    Hint,
    LearningCurve,
    OneStandardError,
    ProfileBin,
    Refit,
    SearchReport,
    Surface,
)
from worker.results.sparsity import (
    FeatureReport,
    LayerReport,
    NetworkReport,
    PruningCurve,
    SparsityReport,
    SparsitySummary,
)
from worker.results.trial import (
    FINAL,
    NOT_MEASURABLE,
    Advice,
    Best,
    Estimated,
    JobError,
    Metrics,
    Single,
    TrialResult,
    Winner,
    estimated,
)
from worker.results.uncertainty import CoverageReport, Part, Scaling, UncertaintyReport
from worker.results.understood import CLASSES_SHOWN, RowCounts, Understood

__all__ = [
    "CLASSES_SHOWN",
    "FINAL",
    "NOT_MEASURABLE",
    "UNSCORED",
    "Advice",
    "Appraisal",
    "Attribution",
    "Baseline",
    "Best",
    "Bin",
    "Calibration",
    "Candidate",
    "Check",
    "Choice",
    "ChoiceCandidate",
    "ColumnImportance",
    "ConfigurationIntervals",
    "ConfigurationReport",
    "CoverageReport",
    "Curve",
    "Curves",
    "Difference",
    "Effect",
    "Ensemble",
    "EnsembleConfiguration",
    "EnsembleKind",
    "EnsembleMetrics",
    "Equivalent",
    "Estimated",
    "FeatureReport",
    "FieldReport",
    "Fitted",
    "Group",
    "Hint",
    "JobError",
    "Judgement",
    "LayerReport",
    "LearningCurve",
    "MetricInterval",
    "Metrics",
    "NetworkReport",
    "OneStandardError",
    "Pair",
    "Part",
    "PartCurves",
    "PathReport",
    "PermutationImportance",
    "PrecisionRecallCurve",
    "Prediction",
    "PredictionWarning",
    "ProfileBin",
    "PruningCurve",
    "Rank",
    "Refit",
    "RocCurve",
    "Role",
    "RowCounts",
    "Scaling",
    "SearchReport",
    "Single",
    "SparsityReport",
    "SparsitySummary",
    "Spread",
    "Standing",
    "Surface",
    "TrialResult",
    "UncertaintyReport",
    "Understood",
    "WeightPath",
    "Winner",
    "caveat",
    "competes",
    "effects",
    "estimated",
    "mean_curve",
    "objective_of",
    "place_of",
    "rank",
    "score_of",
    "spreads",
    "standing_of",
]
