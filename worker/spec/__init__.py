"""What a job says. Types only: nothing here trains, reads or stores.

Each section of a job is a frozen model with its bounds and descriptions; the OpenAPI document and
the error messages follow from them. Techniques have their types in ``worker.regularization``.

``job``            the whole: one trial, a comparison, or a search. The page to begin with
``dataset``        which data
``reading``        how its cells are to be read
``split``          which rows train, validate and test
``preprocessing``  how columns become numbers
``network``        the structure of the network
``training``       epochs, batches, optimizer, learning rate, loss, seed
``search``         what a search varies, by which method, and when it ends
``trial``          one configuration, trained once: what a job becomes
``checks``         rules between the settings of one trial; what breaks them is refused
``prediction``     a stored data set that is to be scored
``shown``          a specification as answers show it
"""

from worker.spec.checks import check_trial
from worker.spec.dataset import Builtin, BuiltinName, DatasetRef
from worker.spec.job import JobSpec, Task, TaskKind, Variant
from worker.spec.network import (
    EMBEDDING_FIELDS,
    Activation,
    CnnSpec,
    EmbeddingSpec,
    LinearSpec,
    MlpSpec,
    NetworkSpec,
    Periodic,
    PiecewiseLinear,
    ResidualMlpSpec,
    Structure,
)
from worker.spec.prediction import MOST_SAMPLES, PredictionSpec
from worker.spec.preprocessing import Preprocessing
from worker.spec.reading import ColumnKind, Reading
from worker.spec.search import (
    MOST_TRIALS,
    Dimension,
    EnsembleSpec,
    Range,
    SearchMethod,
    SearchSpec,
    Switch,
    Values,
)
from worker.spec.shown import is_open_ended, shown, summary_of, without_off
from worker.spec.split import FoldColumn, PartRows, Split
from worker.spec.training import (
    NEWTON_WEIGHTS,
    AdamSpec,
    ConstantSchedule,
    CosineSchedule,
    HuberLoss,
    LossSpec,
    OptimizerSpec,
    PoissonLoss,
    QuantileLoss,
    ScheduleSpec,
    SgdSpec,
    SolverSpec,
    SquaredLoss,
    StepSchedule,
    Training,
    WarmupSchedule,
    quantile_of,
)
from worker.spec.trial import Trial, Without

__all__ = [
    "EMBEDDING_FIELDS",
    "MOST_SAMPLES",
    "MOST_TRIALS",
    "NEWTON_WEIGHTS",
    "Activation",
    "AdamSpec",
    "Builtin",
    "BuiltinName",
    "CnnSpec",
    "ColumnKind",
    "ConstantSchedule",
    "CosineSchedule",
    "DatasetRef",
    "Dimension",
    "EmbeddingSpec",
    "EnsembleSpec",
    "FoldColumn",
    "HuberLoss",
    "JobSpec",
    "LinearSpec",
    "LossSpec",
    "MlpSpec",
    "NetworkSpec",
    "OptimizerSpec",
    "PartRows",
    "Periodic",
    "PiecewiseLinear",
    "PoissonLoss",
    "PredictionSpec",
    "Preprocessing",
    "QuantileLoss",
    "Range",
    "Reading",
    "ResidualMlpSpec",
    "ScheduleSpec",
    "SearchMethod",
    "SearchSpec",
    "SgdSpec",
    "SolverSpec",
    "Split",
    "SquaredLoss",
    "StepSchedule",
    "Structure",
    "Switch",
    "Task",
    "TaskKind",
    "Training",
    "Trial",
    "Values",
    "Variant",
    "WarmupSchedule",
    "Without",
    "check_trial",
    "is_open_ended",
    "quantile_of",
    "shown",
    "summary_of",
    "without_off",
]
