"""From a spec to trials and fleets."""

from worker.search.plan import FleetPlan, plan

__all__ = ["FleetPlan", "plan"]
