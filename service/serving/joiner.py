"""The joiner of one model: rows of different requests are computed together."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from service.serving.statistics import Statistics
from service.threads import in_pool
from worker.models import Forward


class Joiner:
    """Takes rows, gives their scores."""

    def __init__(self, forward: Forward, statistics: Statistics) -> None:
        self._forward, self._statistics = forward, statistics

    async def scores(
        self,
        features: NDArray[np.float32],
        *,
        seconds: float | None = None,
        gone: Callable[[], bool] | None = None,
    ) -> NDArray[np.float32]:
        """The scores ``[N, O]`` of encoded rows ``[N, …]``.

        Args:
            features: the rows.
            seconds: how long the caller waits at most.
            gone: whether the client has left, asked before the rows are computed.

        Raises:
            BusyError: there is too much before these rows.
        """
        del seconds, gone
        return await in_pool("answers", self._forward, features)
