"""The operations, one resource a file: parse, call, answer."""

from service.routes import (
    datasets,
    export,
    health,
    jobs,
    models,
    oip,
    predict,
    predictions,
    results,
    statistics,
    techniques,
)

RESOURCES = (
    datasets,
    jobs,
    results,
    techniques,
    models,
    predict,
    predictions,
    statistics,
    oip,
    health,
)
"""In the order in which the documentation has them, and paths are looked for."""
