"""Which version answers: the old one until the new one is fit, never one that is not."""

import asyncio
import gc
import weakref

import pytest

from service.serving import catalogue, registry
from service.serving.registry import Registry
from tests.registered import Loader, register, with_registry
from worker.errors import ConflictError, ModelError, NotFoundError, UnavailableError
from worker.storage import models
from worker.storage.database import Database


def point(database: Database, version: int, alias: str = "production") -> None:
    with database.write() as session:
        models.set_alias(session, "m", alias, version)


def answering(models_here: Registry, *selectors: str | None) -> list[int | None]:
    found = [models_here.at_hand("m", selector) for selector in selectors]
    return [None if resident is None else resident.version for resident in found]


async def settled(models_here: Registry) -> None:
    while models_here._following:
        await asyncio.wait(models_here._following.values())
        await asyncio.sleep(0)


def test_the_old_version_answers_until_the_new_one_is_ready(database: Database) -> None:
    register(database, "m", 2)
    point(database, 1)
    load = Loader()
    gate = load.hold("m", 2)

    async def work(here: Registry) -> None:
        old = await here.find("m")
        await here.find("m", "production")
        point(database, 2)
        await here.catalogue.refresh()
        await asyncio.to_thread(load.inside["m", 2].wait, 30)
        assert answering(here, None, "production") == [1, 1]
        assert await here.find("m") is old
        gate.set()
        await settled(here)
        assert answering(here, None, "production") == [2, 2]
        assert here.residents.peek(old.key) is None
        gone = weakref.ref(old)
        del old
        gc.collect()
        assert gone() is None

    with_registry(database, load, work)


def test_a_version_in_use_by_its_number_stays(database: Database) -> None:
    register(database, "m", 2)
    point(database, 1)

    async def work(here: Registry) -> None:
        await here.find("m")
        first = await here.find("m", "01")
        point(database, 2)
        await here.catalogue.refresh()
        await settled(here)
        assert answering(here, None, "1", "production") == [2, 1, None]
        assert here.residents.peek(first.key) is first

    with_registry(database, Loader(), work)


def test_the_newest_is_the_newest_that_is_fit(database: Database) -> None:
    register(database, "m", 1)
    load = Loader()
    load.unfit |= {("m", 3)}
    load.damaged |= {("m", 4)}

    async def work(here: Registry) -> None:
        assert (await here.find("m")).version == 1
        register(database, "m", 3)
        await here.catalogue.refresh()
        await settled(here)
        assert answering(here, None) == [2]
        with pytest.raises(ModelError, match="certificate"):
            await here.find("m", "3")
        states = [(one.version, one.state) for one in await here.index()]
        assert states == [(4, "UNAVAILABLE"), (3, "UNAVAILABLE"), (2, "READY"), (1, "READY")]
        other = Registry(database, load, 100)
        assert (await other.find("m")).version == 2
        await other.stop()

    with_registry(database, load, work)


def test_an_alias_stays_if_the_version_is_not_fit(database: Database) -> None:
    register(database, "m", 2)
    load = Loader()
    load.unfit.add(("m", 2))

    async def work(here: Registry) -> None:
        await here.set_alias("m", "production", 1)
        assert (await here.find("m")).version == 1
        with pytest.raises(ConflictError, match="stays as it is") as refused:
            await here.set_alias("m", "production", 2)
        assert (refused.value.code, refused.value.param) == ("not_certified", "version")
        with database.read() as session:
            assert models.resolve(session, "m").version == 1
        with pytest.raises(NotFoundError):
            await here.set_alias("m", "production", 3)
        number, certificate = await here.certificate("m", "2")
        assert (number, certificate.passed) == (2, False)

    with_registry(database, load, work)


def test_who_sets_an_alias_sees_it_at_once(database: Database) -> None:
    register(database, "m", 2)

    async def work(here: Registry) -> None:
        assert (await here.find("m")).version == 2
        await here.set_alias("m", "production", 1)
        assert answering(here, None) == [1]

    with_registry(database, Loader(), work)


def test_an_unloaded_model_answers_nowhere_until_it_is_loaded(database: Database) -> None:
    register(database, "m")
    load = Loader()

    async def work(here: Registry) -> None:
        other = Registry(database, load, 100)
        await here.find("m")
        await other.find("m")
        await here.unload("m")
        await other.catalogue.refresh()
        for process in (here, other):
            assert answering(process, None) == [None]
            assert len(process.residents) == 0
            with pytest.raises(UnavailableError, match="v2/repository/models/m/load"):
                await process.find("m")
            assert [one.reason for one in await process.index()] == ["unloaded"]
            assert not await process.is_ready("m")
        load.unfit.add(("m", 1))
        with pytest.raises(ModelError):
            await other.load("m")
        assert not await here.is_ready("m")
        load.unfit.clear()
        assert (await other.load("m")).version == 1
        assert (await here.find("m")).version == 1
        await other.stop()

    with_registry(database, load, work)


def test_without_the_database_what_is_known_answers_and_nothing_is_denied(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(database, "m", 2)

    def away(session: object, seen: object) -> None:
        raise UnavailableError("the database is away")

    async def work(here: Registry) -> None:
        await here.find("m")
        monkeypatch.setattr(catalogue, "changes_since", away)
        assert answering(here, None) == [2]
        assert (await here.find("m", "1")).version == 1
        for name, selector in (("unknown", None), ("m", "3"), ("m", "candidate")):
            with pytest.raises(UnavailableError, match="not known here"):
                await here.find(name, selector)

    with_registry(database, Loader(), work)


def test_who_waits_too_long_for_a_load_is_refused_and_the_load_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(database, "m")
    load = Loader()
    gate = load.hold("m", 1)
    monkeypatch.setattr(registry, "ANSWER_SECONDS", 0.2)

    async def work(here: Registry) -> None:
        with pytest.raises(UnavailableError, match="being loaded"):
            await here.find("m")
        gate.set()
        monkeypatch.setattr(registry, "ANSWER_SECONDS", 30.0)
        assert (await here.find("m")).version == 1

    with_registry(database, load, work)
    assert len(load.begun) == 1


def test_what_changes_while_it_is_loaded_is_followed(database: Database) -> None:
    register(database, "m", 2)
    point(database, 1)
    load = Loader()
    gate = load.hold("m", 1)

    async def work(here: Registry) -> None:
        asked = asyncio.create_task(here.find("m"))
        await asyncio.to_thread(load.inside["m", 1].wait, 30)
        point(database, 2)
        await here.catalogue.refresh()
        gate.set()
        assert (await asked).version == 2
        assert answering(here, None) == [2]

    with_registry(database, load, work)


def test_a_model_that_is_not_in_use_is_not_loaded(database: Database) -> None:
    register(database, "m")
    load = Loader()

    async def work(here: Registry) -> None:
        await here.catalogue.refresh()
        register(database, "m")
        await here.catalogue.refresh()
        await settled(here)

    with_registry(database, load, work)
    assert load.begun == []


def test_what_gives_way_to_another_model_is_loaded_again(database: Database) -> None:
    register(database, "m")
    register(database, "other")
    load = Loader(weight=80)

    async def work(here: Registry) -> None:
        await here.find("m")
        await here.find("other")
        assert answering(here, None) == [None]
        assert (await here.find("m")).version == 1
        assert here.at_hand("other") is None

    with_registry(database, load, work)
    assert load.begun == [("m", 1), ("other", 1), ("m", 1)]
