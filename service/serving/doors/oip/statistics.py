"""Statistics of models in memory, as Triton's extension `statistics` has them.

Durations are sums, in nanoseconds. Reading the request and encoding its rows is `compute_input`,
writing the answer `compute_output`. Nothing is cached. All are of this process, since the model was
loaded.
"""

from collections.abc import Iterable

from service.serving.residents import Resident
from worker.schema import Json


def model_statistics(residents: Iterable[Resident]) -> Json:
    """The body of `GET /v2/models/stats`."""
    ordered = sorted(residents, key=lambda resident: (resident.name, resident.version))
    return {"model_stats": [_of(resident) for resident in ordered]}


def _of(resident: Resident) -> Json:
    seen = resident.statistics
    batches = sorted(seen.batches.items())
    executions = sum(count for _, (count, _) in batches)
    stages = seen.stage_ns
    return {
        "name": resident.name,
        "version": str(resident.version),
        "last_inference": seen.last_ms,
        "inference_count": seen.rows,
        "execution_count": executions,
        "inference_stats": {
            "success": _duration(seen.requests, sum(stages.values())),
            "fail": _duration(seen.failures, seen.failed_ns),
            "queue": _duration(seen.requests, stages["queue"]),
            "compute_input": _duration(seen.requests, stages["read"]),
            "compute_infer": _duration(seen.requests, stages["compute"]),
            "compute_output": _duration(seen.requests, stages["write"]),
            "cache_hit": _duration(0, 0),
            "cache_miss": _duration(0, 0),
        },
        "batch_stats": [
            {
                "batch_size": rows,
                "compute_input": _duration(count, 0),
                "compute_infer": _duration(count, nanoseconds),
                "compute_output": _duration(count, 0),
            }
            for rows, (count, nanoseconds) in batches
        ],
    }


def _duration(count: int, nanoseconds: int) -> Json:
    return {"count": count, "ns": nanoseconds}
