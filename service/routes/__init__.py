"""The operations, one resource a file: parse, call, answer."""

from service.operations import Operation
from service.routes import (
    audit,
    datasets,
    events,
    export,
    health,
    invocations,
    jobs,
    learnt,
    metrics,
    models,
    oip,
    predict,
    predictions,
    results,
    rows,
    sharing,
    statistics,
    techniques,
)

RESOURCES = (
    datasets,
    jobs,
    results,
    events,
    rows,
    sharing,
    techniques,
    models,
    learnt,
    predict,
    predictions,
    export,
    statistics,
    oip,
    invocations,
    health,
    metrics,
    audit,
)
"""In the order in which the documentation has them, and paths are looked for."""


def operations() -> list[Operation]:
    """All that is answered, but for the pages."""
    routes = (route for resource in RESOURCES for route in resource.router.routes)
    return [route for route in routes if isinstance(route, Operation)]
