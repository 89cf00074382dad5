"""The operations, one resource a file: parse, call, answer."""

from service.routes import (
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
)
"""In the order in which the documentation has them, and paths are looked for."""
