"""How often a key may ask: so many requests in a window of time, by all processes together.

Predictions have a budget of their own, so that whoever spends it can still look after jobs and
cancel them.

A process takes from the shared count a fiftieth of a window's requests at a time, and spends those
by itself: a request costs a look into a dictionary, and every so many-th one a question to Redis.
What a process has taken and not spent when the window ends is lost to the others: with unequal load
a key is refused up to that much too early, and never too late. Windows are fixed; around the end of
one there may be twice as many requests as a window allows.

Where Redis does not answer nobody is refused for it: each process counts by itself until it does.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter

from service.security.refusals import RateError
from service.threads import in_pool
from worker.caller import Caller
from worker.errors import ParsimonyError
from worker.runtime.doorbell import connect_redis
from worker.settings import ServiceSettings

log = logging.getLogger(__name__)

PORTIONS = 50
"""Into so many portions a window's requests are divided, to be taken by processes."""
PATIENCE_SECONDS = 0.5
"""How long Redis is waited for."""
OUTAGE_SECONDS = 5.0
"""After it did not answer it is not asked for so long."""

Headers = list[tuple[bytes, bytes]]
_Budgeted = tuple[str, bool]
"""A key's id, and whether predictions are meant."""


@dataclass(slots=True)
class _Budget:
    """What this process has of a key's window."""

    left: int
    """Requests that were taken and not spent."""
    beyond: int
    """Requests of the window that nobody had taken then."""
    until: float
    """When the window ends, by the host's clock."""


class Rates:
    """Counts requests. All is done on the event loop; only Redis is asked in a thread.

    Args:
        settings: with the limits, and Redis.
        shared: what all processes count in; by the settings unless given.
        clock: seconds, of the host.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        shared: Storage | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policies = {
            False: None if settings.rates is None else parse(settings.rates),
            True: None if settings.predict_rates is None else parse(settings.predict_rates),
        }
        self._alone = FixedWindowRateLimiter(MemoryStorage())
        if shared is None and settings.shares_rates and any(self._policies.values()):
            pool = connect_redis(settings).connection_pool
            shared = RedisStorage("redis://", connection_pool=pool, key_prefix="parsimony:rate")
        self._shared = None if shared is None else FixedWindowRateLimiter(shared)
        self._clock = clock
        self._ask_at = 0.0
        self._budgets: dict[_Budgeted, _Budget] = {}
        self._leasing: dict[_Budgeted, asyncio.Task[None]] = {}
        self.are_limited = any(self._policies.values())
        """Whether anything is counted at all."""

    def at_once(self, caller: Caller, *, predicts: bool) -> bool:
        """Whether a request may be answered, where that is known without asking; it is counted."""
        if self._policies[predicts] is None:
            return True
        budget = self._budgets.get((caller.key_id or "", predicts))
        if budget is None or budget.left <= 0 or self._clock() >= budget.until:
            return False
        budget.left -= 1
        return True

    async def take(self, caller: Caller, *, predicts: bool) -> None:
        """Count a request.

        Raises:
            RateError: there were too many in this window.
        """
        policy = self._policies[predicts]
        if policy is None:
            return
        name = (caller.key_id or "", predicts)
        while not self.at_once(caller, predicts=predicts):
            budget = self._budgets.get(name)
            if budget is not None and not budget.beyond and self._clock() < budget.until:
                raise RateError(
                    seconds=max(1, math.ceil(budget.until - self._clock())),
                    limit=str(policy),
                    headers=self.headers(caller, predicts=predicts),
                )
            task = self._leasing.get(name)
            if task is None:
                task = asyncio.create_task(self._lease(name, policy), name="rate")
                self._leasing[name] = task
            await asyncio.shield(task)

    def headers(self, caller: Caller, *, predicts: bool) -> Headers:
        """What an answer tells of the budget that its request was counted in."""
        policy, budget = self._policies[predicts], None
        if policy is not None:
            budget = self._budgets.get((caller.key_id or "", predicts))
        if policy is None or budget is None:
            return []
        name = b"predict" if predicts else b"default"
        seconds = max(0, math.ceil(budget.until - self._clock()))
        return [
            (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (name, policy.amount, policy.get_expiry())),
            (b"ratelimit", b'"%s";r=%d;t=%d' % (name, budget.left + budget.beyond, seconds)),
        ]

    async def _lease(self, name: _Budgeted, policy: RateLimitItem) -> None:
        """Take a portion of a window's requests for this process."""
        try:
            self._budgets[name] = await self._taken(name, policy)
        finally:
            del self._leasing[name]

    async def _taken(self, name: _Budgeted, policy: RateLimitItem) -> _Budget:
        key = (name[0], "predict" if name[1] else "default")
        if self._shared is not None and self._clock() >= self._ask_at:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await in_pool("limits", _portion, self._shared, policy, key)
            except (Exception, ParsimonyError) as error:
                log.warning("requests are counted by each process alone: %s", error)
                self._ask_at = self._clock() + OUTAGE_SECONDS
        return _portion(self._alone, policy, key)


def _portion(
    limiter: FixedWindowRateLimiter, policy: RateLimitItem, key: tuple[str, str]
) -> _Budget:
    """Some of what is left of the window."""
    before = limiter.get_window_stats(policy, *key)
    wanted = min(before.remaining, max(1, policy.amount // PORTIONS))
    granted = wanted if wanted and limiter.hit(policy, *key, cost=wanted) else 0
    after = limiter.get_window_stats(policy, *key)
    return _Budget(granted, after.remaining if granted else 0, after.reset_time)
