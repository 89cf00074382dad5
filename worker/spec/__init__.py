"""What a job says. Types only: nothing here trains, reads or stores."""

from worker.regularization.settings import Settings
from worker.spec.dataset import Builtin, BuiltinName, DatasetId, DatasetRef
from worker.spec.job import JobSpec, Task, TaskKind, Variant
from worker.spec.network import Activation, LinearSpec, MlpSpec, NetworkSpec
from worker.spec.preprocessing import Preprocessing
from worker.spec.split import Split
from worker.spec.training import (
    AdamSpec,
    AdamWSpec,
    OptimizerSpec,
    ScheduleSpec,
    SgdSpec,
    Training,
)
from worker.spec.trial import Trial

__all__ = [
    "Activation",
    "AdamSpec",
    "AdamWSpec",
    "Builtin",
    "BuiltinName",
    "DatasetId",
    "DatasetRef",
    "JobSpec",
    "LinearSpec",
    "MlpSpec",
    "NetworkSpec",
    "OptimizerSpec",
    "Preprocessing",
    "ScheduleSpec",
    "Settings",
    "SgdSpec",
    "Split",
    "Task",
    "TaskKind",
    "Training",
    "Trial",
    "Variant",
]
