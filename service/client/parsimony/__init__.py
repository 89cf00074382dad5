"""Parsimony's client: upload a table, train, wait, read the leaderboard, predict.

    from parsimony import Client

    client = Client("http://127.0.0.1:8000")
    job = client.train("circle", regularization={"dropout": 0.2}).wait()
    print(job.leaderboard())

It speaks HTTP and knows nothing of the service's inside: importing it loads neither torch nor any
part of the service.
"""

from parsimony.asynchronous import AsyncClient, AsyncJob, AsyncModel
from parsimony.client import Client, Dataset, Job, Model
from parsimony.errors import (
    AnswerError,
    ConflictError,
    InvalidError,
    JobCancelledError,
    JobError,
    JobFailedError,
    NotFoundError,
    ParsimonyError,
    RefusedError,
    ServerError,
    TooManyRequestsError,
    UnauthorizedError,
    UnreachableError,
    WaitTimeoutError,
)

__all__ = [
    "AnswerError",
    "AsyncClient",
    "AsyncJob",
    "AsyncModel",
    "Client",
    "ConflictError",
    "Dataset",
    "InvalidError",
    "Job",
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "Model",
    "NotFoundError",
    "ParsimonyError",
    "RefusedError",
    "ServerError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnreachableError",
    "WaitTimeoutError",
]
