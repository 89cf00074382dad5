"""What a job says. Types only: nothing here trains, reads or stores."""

from worker.spec.checks import check_trial
from worker.spec.dataset import Builtin, BuiltinName, DatasetRef
from worker.spec.job import JobSpec, Task, TaskKind, Variant
from worker.spec.network import (
    Activation,
    CnnSpec,
    LinearSpec,
    MlpSpec,
    NetworkSpec,
    ResidualMlpSpec,
    Structure,
)
from worker.spec.prediction import PredictionSpec
from worker.spec.preprocessing import Preprocessing
from worker.spec.reading import ColumnKind, Reading
from worker.spec.search import (
    MOST_TRIALS,
    Dimension,
    Range,
    SearchMethod,
    SearchSpec,
    Switch,
    Values,
)
from worker.spec.shown import is_open_ended, shown, summary_of, without_off
from worker.spec.split import FoldColumn, PartRows, Split
from worker.spec.training import (
    AdamSpec,
    ConstantSchedule,
    CosineSchedule,
    OptimizerSpec,
    ScheduleSpec,
    SgdSpec,
    SolverSpec,
    StepSchedule,
    Training,
    WarmupSchedule,
)
from worker.spec.trial import Trial, Without

__all__ = [
    "MOST_TRIALS",
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
    "FoldColumn",
    "JobSpec",
    "LinearSpec",
    "MlpSpec",
    "NetworkSpec",
    "OptimizerSpec",
    "PartRows",
    "PredictionSpec",
    "Preprocessing",
    "Range",
    "Reading",
    "ResidualMlpSpec",
    "ScheduleSpec",
    "SearchMethod",
    "SearchSpec",
    "SgdSpec",
    "SolverSpec",
    "Split",
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
    "shown",
    "summary_of",
    "without_off",
]
