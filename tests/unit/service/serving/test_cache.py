"""Loaded models: each is loaded once, all are bounded in bytes, none that is unfit is kept."""

import asyncio
import gc
import threading
import weakref

import pytest

from service.serving import cache as module
from service.serving.cache import ResidentCache
from service.serving.residents import Resident
from tests.registered import Loader, in_loop
from worker.errors import ModelError
from worker.storage.artefacts import ArtefactError
from worker.storage.catalogue import StoredVersion


def version(number: int) -> StoredVersion:
    return StoredVersion("mdl_1", number, "path", "hash", 0)


def test_all_who_want_a_model_wait_for_one_load_and_others_do_not() -> None:
    load = Loader()
    gate = load.hold("m", 1)

    async def work() -> None:
        cache = ResidentCache(100, load)
        waiting = [asyncio.create_task(cache.get(version(1), "m")) for _ in range(5)]
        await asyncio.to_thread(load.inside["m", 1].wait, 30)
        assert (await cache.get(version(2), "m")).version == 2
        waiting[0].cancel()  # it has left; the load is the others' too
        await asyncio.wait(waiting[:1])
        gate.set()
        assert len({id(one) for one in await asyncio.gather(*waiting[1:])}) == 1

    in_loop(work)
    assert load.begun == [("m", 1), ("m", 2)]


def test_what_was_used_longest_ago_goes() -> None:
    load = Loader(weight=30)
    dropped: list[Resident] = []

    async def work() -> None:
        cache = ResidentCache(100, load, dropped.append)
        first, second, _ = [await cache.get(version(number), "m") for number in (1, 2, 3)]
        cache.touch(first)
        assert await cache.get(version(4), "m") is cache.peek(("mdl_1", 4))
        assert dropped == [second]
        assert (cache.bytes, len(cache)) == (90, 3)
        load.weight = 1_000
        largest = await cache.get(version(5), "m")
        assert cache.peek(largest.key) is largest
        assert len(cache) == 1

    in_loop(work)


def test_the_unfit_are_remembered_but_not_kept() -> None:
    load = Loader()
    load.unfit.add(("m", 1))
    made: list[weakref.ref[Resident]] = []

    def noticed(stored: StoredVersion, name: str) -> Resident:
        resident = load(stored, name)
        made.append(weakref.ref(resident))
        return resident

    async def work() -> None:
        cache = ResidentCache(100, noticed)
        for _ in range(3):
            with pytest.raises(ModelError, match="deterministic"):
                await cache.get(version(1), "m")
        failure = cache.failure(("mdl_1", 1))
        assert failure is not None
        assert failure.certificate is not None
        for _ in range(1000):  # The thread that loaded it may still be letting it go.
            await asyncio.to_thread(gc.collect)
            if made[0]() is None:
                break
        assert made[0]() is None
        cache.pardon([("mdl_1", 1)])
        load.unfit.clear()
        assert (await cache.get(version(1), "m")).version == 1

    in_loop(work)
    assert len(load.begun) == 2


def test_a_damaged_file_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Loader()
    load.damaged.add(("m", 1))

    async def work() -> None:
        cache = ResidentCache(100, load)
        for _ in range(2):
            with pytest.raises(ArtefactError):
                await cache.get(version(1), "m")
        assert len(load.begun) == 1
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
        cache.pardon([("mdl_1", 1)])
        with pytest.raises(ArtefactError):
            await cache.get(version(1), "m")
        load.damaged.clear()
        assert (await cache.get(version(1), "m")).version == 1

    in_loop(work)


def test_memory_is_given_back_when_the_last_request_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trimmed = threading.Event()
    monkeypatch.setattr(module, "trim", trimmed.set)

    async def work() -> None:
        cache = ResidentCache(100, Loader())
        in_use = await cache.get(version(1), "m")
        cache.drop(in_use.key)
        await asyncio.sleep(0)
        assert not trimmed.is_set()
        del in_use
        await asyncio.to_thread(trimmed.wait, 30)
        assert trimmed.is_set()

    in_loop(work)
