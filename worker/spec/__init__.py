"""What a job says. Types only: nothing here trains, reads or stores."""

from worker.schema import Settings
from worker.spec.dataset import Builtin, BuiltinName, DatasetId, DatasetRef
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
from worker.spec.preprocessing import Preprocessing
from worker.spec.search import (
    Dimension,
    Range,
    SearchSpec,
    Space,
    Switch,
    Values,
    is_maximized,
)
from worker.spec.split import PartRows, Split
from worker.spec.training import (
    AdamSpec,
    AdamWSpec,
    OptimizerSpec,
    ScheduleSpec,
    SgdSpec,
    SolverSpec,
    Training,
)
from worker.spec.trial import Trial, Without

__all__ = [
    "Activation",
    "AdamSpec",
    "AdamWSpec",
    "Builtin",
    "BuiltinName",
    "CnnSpec",
    "DatasetId",
    "DatasetRef",
    "Dimension",
    "JobSpec",
    "LinearSpec",
    "MlpSpec",
    "NetworkSpec",
    "OptimizerSpec",
    "PartRows",
    "Preprocessing",
    "Range",
    "ResidualMlpSpec",
    "ScheduleSpec",
    "SearchSpec",
    "Settings",
    "SgdSpec",
    "SolverSpec",
    "Space",
    "Split",
    "Structure",
    "Switch",
    "Task",
    "TaskKind",
    "Training",
    "Trial",
    "Values",
    "Variant",
    "Without",
    "is_maximized",
]
