"""From a specification to trials and fleets, and from the results of a search to what is next.

``plan`` turns a job into fleets; ``scheduler`` says what a search trains next.

Before a job runs:

``plan``                a job becomes configurations, these trials, and trials of equal structure a
                        fleet
``cost, memory``        what a job costs, and what a fleet takes in memory, by formula
``objective``           by which metric the best is chosen, and whether its rows may choose
``auto``                the space of `"regularization": "auto"`
``space, space_check``  which fields vary, and how; every corner is tried before a job is accepted

While it runs:

``scheduler``           the next wave of fleets, and in the end the refit. The page to begin with
``samplers``            grid, path, random and TPE
``halving``             successive halving: who leaves at each rung
``comparison``          a long comparison, planned in waves
``refit``               the winner trained once more, on more rows

Afterwards:

``baseline``            gradient boosting on the same rows
``report``              a package: what a search found
"""

from worker.search.baseline import Boosted, boosting
from worker.search.comparison import Comparison, comparison_trials, goes_in_waves, goes_on
from worker.search.cost import (
    Cost,
    FleetCost,
    comparison_costs,
    fewest_parameters,
    planned_costs,
    steps_of,
)
from worker.search.halving import Halving, RungValues, effort
from worker.search.memory import FLEET_MEMORY
from worker.search.objective import check_threshold, job_objective
from worker.search.plan import (
    FLEET_TRIALS,
    GPU_FLEET_TRIALS,
    FleetLimits,
    FleetPlan,
    plan,
    posted_configurations,
    replica_count,
    structure,
)
from worker.search.refit import refit_costs, resolve_refit, resolve_refit_repeats
from worker.search.samplers import Trained
from worker.search.scheduler import (
    Refused,
    Search,
    Wave,
    resolve_search,
)
from worker.search.space import (
    Overrides,
    begins_at_lambda_max,
    lambda_max,
    with_path_from_lambda_max,
)

__all__ = [
    "FLEET_MEMORY",
    "FLEET_TRIALS",
    "GPU_FLEET_TRIALS",
    "Boosted",
    "Comparison",
    "Cost",
    "FleetCost",
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
    "check_threshold",
    "comparison_costs",
    "comparison_trials",
    "effort",
    "fewest_parameters",
    "goes_in_waves",
    "goes_on",
    "job_objective",
    "lambda_max",
    "plan",
    "planned_costs",
    "posted_configurations",
    "refit_costs",
    "replica_count",
    "report",
    "resolve_refit",
    "resolve_refit_repeats",
    "resolve_search",
    "steps_of",
    "structure",
    "with_path_from_lambda_max",
]
