"""Who trains and when: the doorbell, supervisors, trainers, and the reconciler.

What other rooms use are the modules listed below. None is imported here: a trainer needs no Celery,
and a supervisor no torch.
"""

__all__ = [
    "collector",
    "doorbell",
    "lifeline",
    "processes",
    "reconciler",
    "redis_server",
    "restarts",
    "webhook_sender",
]
