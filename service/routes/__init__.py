"""The operations, one resource a file: parse, call, answer.

``datasets``              data sets: uploaded, listed, read, deleted
``jobs``                  jobs: posted, checked, listed, cancelled, paused, resumed, deleted
``results, events``       trials, metrics, charts and reports of a job; its log, as pages or as a
                          stream
``rows, sharing``         which rows a job used for what; curves and reports to take along
``techniques``            the techniques, as their classes describe themselves
``models, learnt``        versions, aliases, certificates; coefficients and files
``predict, predictions``  predictions now; predictions of stored data sets by workers
``export, statistics``    models for other runtimes; a model at work
``oip, invocations``      the Open Inference Protocol; MLflow's and SageMaker's protocol
``health, metrics``       probes; Prometheus
``webhooks, audit``       whom to tell of ended jobs; who did what
"""

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
    webhooks,
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
    webhooks,
    audit,
)
"""In the order in which the documentation has them, and paths are looked for."""


def operations() -> list[Operation]:
    """All that is answered, but for the pages."""
    routes = (route for resource in RESOURCES for route in resource.router.routes)
    return [route for route in routes if isinstance(route, Operation)]
