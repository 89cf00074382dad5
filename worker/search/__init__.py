"""From a specification to trials and fleets, and from the results of a search to what is next."""

from worker.search.baseline import boosting
from worker.search.halving import Halving, RungValues, effort
from worker.search.plan import (
    FLEET_MEMORY,
    FLEET_TRIALS,
    GPU_FLEET_TRIALS,
    FleetLimits,
    FleetPlan,
    plan,
)
from worker.search.samplers import Trained
from worker.search.scheduler import Refused, Search, Wave, job_objective, resolve_search
from worker.search.space import Overrides, begins_at_lambda_max, with_path_from_lambda_max

__all__ = [
    "FLEET_MEMORY",
    "FLEET_TRIALS",
    "GPU_FLEET_TRIALS",
    "FleetLimits",
    "FleetPlan",
    "Halving",
    "Overrides",
    "Refused",
    "RungValues",
    "Search",
    "Trained",
    "Wave",
    "begins_at_lambda_max",
    "boosting",
    "effort",
    "job_objective",
    "plan",
    "report",
    "resolve_search",
    "with_path_from_lambda_max",
]
