"""What training and searching come to, each typed once: computed, stored and sent as it is.

Nothing here imports torch, so that storage and the supervisor may.
"""

from worker.results.comparison import (
    Attribution,
    ConfigurationReport,
    Curve,
    Pair,
    Spread,
    caveat,
    effects,
    mean_curve,
    spreads,
)
from worker.results.equivalents import Equivalent, Fitted
from worker.results.model import Check, Prediction
from worker.results.path import PathReport, WeightPath
from worker.results.ranking import (
    UNSCORED,
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
from worker.results.trial import FINAL, Advice, Best, JobError, Metrics, TrialResult, Winner
from worker.results.understood import CLASSES_SHOWN, RowCounts, Understood

__all__ = [
    "CLASSES_SHOWN",
    "FINAL",
    "UNSCORED",
    "Advice",
    "Attribution",
    "Baseline",
    "Best",
    "Bin",
    "Candidate",
    "Check",
    "ConfigurationReport",
    "Curve",
    "Equivalent",
    "FeatureReport",
    "FieldReport",
    "Fitted",
    "Hint",
    "JobError",
    "LayerReport",
    "LearningCurve",
    "Metrics",
    "NetworkReport",
    "OneStandardError",
    "Pair",
    "PathReport",
    "Prediction",
    "ProfileBin",
    "PruningCurve",
    "Rank",
    "Refit",
    "RowCounts",
    "SearchReport",
    "SparsityReport",
    "SparsitySummary",
    "Spread",
    "Standing",
    "Surface",
    "TrialResult",
    "Understood",
    "WeightPath",
    "Winner",
    "caveat",
    "competes",
    "effects",
    "mean_curve",
    "objective_of",
    "place_of",
    "rank",
    "score_of",
    "spreads",
    "standing_of",
]
