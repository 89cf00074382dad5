"""How often a key may ask, and that nothing but its own requests keeps it from asking."""

import asyncio

import pytest
from limits.storage import MemoryStorage, Storage

from service.security.rates import Rates
from service.security.refusals import RateError
from tests.registered import in_loop
from worker.caller import LOCAL, Caller, Permission
from worker.settings import ServiceSettings

ONE, OTHER = (Caller("acme", f"key_{number}", frozenset(Permission)) for number in range(2))


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer to ask in a thread than a request waits."""
    monkeypatch.setattr("service.security.rates.PATIENCE_SECONDS", 60.0)


def limited(shared: Storage | None = None, **settings: str) -> Rates:
    return Rates(ServiceSettings(keys="required", **settings), shared)


def spent(rates: Rates, caller: Caller = ONE, *, predicts: bool = False, most: int = 1_000) -> int:
    """How many requests are answered before one is refused."""

    async def ask() -> int:
        for count in range(most):
            try:
                await rates.take(caller, predicts=predicts)
            except RateError:
                return count
        return most

    return in_loop(ask)


def test_so_many_and_no_more_of_each_key_and_of_predictions_apart() -> None:
    rates = limited(rate_limit="120/day", predict_rate_limit="7/day")
    assert spent(rates) == 120
    assert spent(rates) == 0
    assert spent(rates, OTHER) == 120
    assert spent(rates, predicts=True) == 7
    assert not rates.at_once(ONE, predicts=True)


def test_what_is_left_is_told() -> None:
    rates = limited(rate_limit="60/day")

    async def ask() -> list[str]:
        told = []
        for _ in range(60):
            await rates.take(ONE, predicts=False)
            (_, policy), (_, left) = rates.headers(ONE, predicts=False)
            assert policy == b'"default";q=60;w=86400'
            told.append(left.decode().split(";")[1])
        with pytest.raises(RateError) as refused:
            await rates.take(ONE, predicts=False)
        assert 0 < int(refused.value.headers["Retry-After"]) <= 86400
        assert refused.value.headers["ratelimit"].startswith('"default";r=0;t=')
        return told

    assert in_loop(ask) == [f"r={left}" for left in range(59, -1, -1)]


def test_several_processes_count_together() -> None:
    shared = MemoryStorage()
    first, second = (limited(shared, rate_limit="100/day") for _ in range(2))
    assert spent(first, most=40) == 40
    assert spent(second) == 60
    assert spent(first) == 0


def test_where_nothing_is_limited_nothing_is_counted() -> None:
    rates = Rates(ServiceSettings())
    assert not rates.are_limited
    assert rates.at_once(LOCAL, predicts=True)
    assert spent(rates, LOCAL, most=2_000) == 2_000
    assert rates.headers(LOCAL, predicts=False) == []
    assert not limited(rate_limit="off", predict_rate_limit="off").are_limited


class Gone(MemoryStorage):
    """A Redis that does not answer."""

    def get_window_stats(self, *_: object) -> None:
        raise ConnectionError("gone")

    incr = get = get_expiry = get_window_stats  # type: ignore[assignment]


def test_without_redis_each_process_counts_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    rates = limited(Gone(), rate_limit="10/day")
    assert spent(rates) == 10
    assert spent(rates, OTHER) == 10
    assert sum("by each process alone" in line for line in caplog.messages) == 1


def test_a_crowd_asks_the_shared_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, asked = MemoryStorage(), 0
    rates = limited(shared, rate_limit="5000/day")
    count = shared.incr

    def counted(key: str, expiry: float, amount: int = 1) -> int:
        nonlocal asked
        asked += 1
        return count(key, expiry, amount)

    monkeypatch.setattr(shared, "incr", counted)

    async def crowd() -> None:
        await asyncio.gather(*(rates.take(ONE, predicts=False) for _ in range(100)))

    in_loop(crowd)
    assert asked == 1
