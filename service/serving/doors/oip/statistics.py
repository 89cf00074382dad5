"""Statistics of models in memory, as Triton's extension `statistics` has them.

Durations are sums, in nanoseconds, over requests of all protocols. Reading a request and encoding
its rows is `compute_input`, writing the answer `compute_output`. A batch is told by its rows up to
16, and above by the next power of two. Nothing is cached. All are of this process, since the model
was loaded.
"""

from collections.abc import Iterable

from service.serving.residents import Resident
from service.serving.statistics import Timing
from worker.schema import Json


def model_statistics(residents: Iterable[Resident]) -> Json:
    """The body of `GET /v2/models/stats`."""
    ordered = sorted(residents, key=lambda resident: (resident.name, resident.version))
    return {"model_stats": [_of(resident) for resident in ordered]}


def _of(resident: Resident) -> Json:
    seen = resident.statistics
    batches, stages = sorted(seen.batches.items()), seen.stages
    return {
        "name": resident.name,
        "version": str(resident.version),
        "last_inference": int(seen.last * 1000),
        "inference_count": seen.rows,
        "execution_count": sum(timing.count for _, timing in batches),
        "inference_stats": {
            "success": _told(stages["total"]),
            "fail": _duration(seen.failures, seen.failed_ns),
            "queue": _told(stages["queue"]),
            "compute_input": _told(stages["read"]),
            "compute_infer": _told(stages["compute"]),
            "compute_output": _told(stages["write"]),
            "cache_hit": _duration(0, 0),
            "cache_miss": _duration(0, 0),
        },
        "batch_stats": [
            {
                "batch_size": rows,
                "compute_input": _duration(timing.count, 0),
                "compute_infer": _told(timing),
                "compute_output": _duration(timing.count, 0),
            }
            for rows, timing in batches
        ],
    }


def _told(timing: Timing) -> Json:
    return _duration(timing.count, timing.ns)


def _duration(count: int, nanoseconds: int) -> Json:
    return {"count": count, "ns": nanoseconds}
