"""Who asks: for which tenant, by which key, and what that allows. Use cases are given it."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_TENANT = "default"
"""Whose everything is where no key says otherwise."""


class Permission(StrEnum):
    """What a key may be good for. None holds another."""

    READ = "read"
    """See what there is: data sets, jobs, results, models, the installation."""
    TRAIN = "train"
    """Upload data sets, post jobs, steer them, delete them."""
    PREDICT = "predict"
    """Have models answer, row by row or a whole data set."""
    ADMIN = "admin"
    """Change what others see of models: aliases, deletions, what is in service; read the audit."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a request or a command comes from. All that it reads and writes is its tenant's."""

    tenant: str
    key_id: str | None
    """None where no key was needed."""
    scopes: frozenset[Permission]


LOCAL = Caller(DEFAULT_TENANT, None, frozenset(Permission))
"""Who is on this machine: a request on a loopback address without a key, or a command."""
