"""Whether the client of a request has left before it was answered."""

from collections.abc import Callable
from functools import partial
from weakref import ref

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

GONE = "parsimony.gone"
"""What the state of a request's scope calls the function that says it."""


def departure(cycle: RequestResponseCycle) -> Callable[[], bool]:
    """What says it of a request.

    It knows the cycle weakly: that has the scope, which has this, and whatever refers to itself
    stays until it is garbage collected. With thousands of requests in between that takes long.
    """
    return partial(_has_left, ref(cycle))


def _has_left(cycle: ref[RequestResponseCycle]) -> bool:
    found = cycle()
    return found is None or found.disconnected
