"""A fleet's plan as it is stored: whole, or in a search only what differs from the job."""

from typing import Any

import orjson

from worker.errors import SpecError
from worker.search.configurations import Configuration
from worker.search.plan import FleetPlan
from worker.search.space import base, configure
from worker.spec import JobSpec, Trial


def dump(plan: FleetPlan) -> dict[str, Any]:
    """The plan as JSON. A search stores a number, a seed and the overrides of each trial."""
    if plan.overrides is None:
        return plan.model_dump(mode="json", exclude={"overrides"})
    return {
        "objective": plan.objective,
        "maximize": plan.maximize,
        "members": [
            {
                "configuration": trial.configuration,
                "repeat": trial.repeat,
                "fold": trial.fold,
                "seed": trial.training.seed,
                "overrides": overrides,
            }
            for trial, overrides in zip(plan.trials, plan.overrides, strict=True)
        ],
    }


def load(document: dict[str, Any], spec: JobSpec) -> FleetPlan:
    """The plan that a document means, in the job that it belongs to."""
    if "members" not in document:
        return FleetPlan.model_validate_json(orjson.dumps(document))
    whole, found = base(spec), []
    known: dict[int, Configuration] = {}
    for member in document["members"]:
        number = member["configuration"]
        configuration = known.get(number)
        if configuration is None:
            configuration = known[number] = configure(whole, number, member["overrides"])
        found.append(
            Trial(
                name=configuration.name,
                configuration=number,
                repeat=member["repeat"],
                fold=member["fold"],
                network=configuration.network,
                regularization=configuration.regularization,
                training=configuration.training.model_copy(update={"seed": member["seed"]}),
            )
        )
    if not found:
        raise SpecError("The fleet has no members.", code="empty_fleet")
    return FleetPlan(
        trials=tuple(found),
        objective=document["objective"],
        maximize=document["maximize"],
        overrides=tuple(member["overrides"] for member in document["members"]),
    )
