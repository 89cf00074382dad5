"""Which loaded model answers to a name: loaded, certified, switched, drained.

Each name and selector (a version, an alias, or nothing) that was asked for points at a resident.
When the catalogue changes what is meant, the new version is loaded beside the old one, which
answers until the new one is certified and warm; then all selectors of that version switch in one
turn of the event loop. Requests that began with the old one end with it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy.orm import Session

from service.serving.cache import UNFIT, Load, ResidentCache, key_of
from service.serving.catalogue import Catalogue, IndexEntry, ResolvedVersions
from service.serving.residents import Resident
from service.threads import in_pool
from worker.caller import DEFAULT_TENANT
from worker.errors import ConflictError, ModelError, ParsimonyError, UnavailableError
from worker.models import Certificate
from worker.storage import models
from worker.storage.catalogue import CatalogueEntry, ModelKey
from worker.storage.database import Database

log = logging.getLogger(__name__)

ANSWER_SECONDS = 1.8
"""A request that has to wait for a model to be loaded is refused after this long; the load goes
on."""
LOOK_SECONDS = 0.5
UNKNOWN_SECONDS = 1.5
"""Of these for the database, where memory can answer without it, and where it cannot."""
RETRY_SECONDS = 5.0
"""Pause before what could not be loaded in the background is tried again."""

Selector = str | None
Parameters = ParamSpec("Parameters")
Written = TypeVar("Written")


class Registry:
    """Models by name and selector. All is done on the event loop."""

    def __init__(self, database: Database, load: Load, capacity: int) -> None:
        self._database = database
        self.catalogue = Catalogue(database, self._changed)
        self.residents = ResidentCache(capacity, load, self._forget)
        self._answering: dict[tuple[str, str, Selector], Resident] = {}
        """By tenant, name and selector."""
        self._selectors: dict[ModelKey, set[Selector]] = {}
        self._following: dict[ModelKey, asyncio.Task[None]] = {}
        self._polling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the catalogue, and follow it."""
        await self.catalogue.refresh()
        self._polling = asyncio.create_task(self.catalogue.follow(), name="catalogue")

    async def stop(self) -> None:
        """Follow no more; give all models up."""
        tasks = [*self._following.values(), *([self._polling] if self._polling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.catalogue.close()
        self._answering.clear()
        self._selectors.clear()
        await self.residents.close()

    def at_hand(
        self, name: str, selector: Selector = None, tenant: str = DEFAULT_TENANT
    ) -> Resident | None:
        """The model that answers, if that is known without waiting."""
        resident = self._answering.get((tenant, name, selector))
        if resident is not None:
            self.residents.touch(resident)
        return resident

    async def find(
        self, name: str, selector: Selector = None, tenant: str = DEFAULT_TENANT
    ) -> Resident:
        """The model that answers, loaded if need be.

        Raises:
            NotFoundError: there is no such model, version or alias.
            ModelError, ArtefactError: the version that is meant is not fit to be served; where the
                newest is meant, none is.
            UnavailableError: the model is unloaded, is being loaded still, or cannot be known.
        """
        if selector is not None and selector.isdecimal():
            selector = str(int(selector))  # so that 01 is no other selector than 1
        resident = self.at_hand(name, selector, tenant)
        if resident is not None:
            return resident
        async with _in_time(name):
            while True:
                target = _in_service(await self._target(name, selector, tenant))
                resident = await self._first(target)
                if self.catalogue.entry(name, tenant) is target.entry:
                    self._point((tenant, name), [selector], resident)
                    return resident
                # It changed meanwhile: what was loaded may not be meant any more.

    async def load(
        self, name: str, selector: Selector = None, tenant: str = DEFAULT_TENANT
    ) -> Resident:
        """Put a model into service: load and certify a version, then let it answer, everywhere.

        What was found unfit before is tried again, by every process. Raises as :meth:`find`.
        """
        async with _in_time(name):
            target = await self._target(name, selector, tenant)
            self.residents.pardon([key_of(version) for version in target.versions])
            await self._first(target)
        await self.change(models.set_unloaded, name, False, tenant=tenant)
        return await self.find(name, selector, tenant)

    async def unload(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Take a model out of service, in all processes. Requests under way are answered.

        Raises:
            NotFoundError: there is no such model.
            UnavailableError: the database cannot be reached.
        """
        await self.change(models.set_unloaded, name, True, tenant=tenant)

    async def set_alias(
        self, name: str, alias: str, number: int, tenant: str = DEFAULT_TENANT
    ) -> None:
        """Point an alias at a version that is fit to be served; it answers here at once.

        Raises:
            NotFoundError: there is no such model or version.
            ConflictError: the version is not fit; the alias stays where it is.
            ArtefactError: its file is damaged; the alias stays where it is.
            UnavailableError: it is being loaded still, or the database cannot be reached.
        """
        try:
            async with _in_time(name):
                await self._first(await self._target(name, str(number), tenant))
        except ModelError as error:
            raise ConflictError(
                f"The alias {alias!r} stays as it is. {error.message}",
                param="version",
                code=error.code,
                **error.extra,
            ) from error
        await self.change(models.set_alias, name, alias, number, tenant=tenant)

    async def settle(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Have a model that is in use answer as the database has it now.

        Raises:
            UnavailableError: the database cannot be read.
        """
        if not self._selectors.get((tenant, name)):
            return
        await self.catalogue.refresh()
        following = self._following.get((tenant, name))
        if following is not None:
            await asyncio.wait([following])

    async def certificate(
        self, name: str, selector: Selector, tenant: str = DEFAULT_TENANT
    ) -> tuple[int, Certificate]:
        """A version's number and what its certification found, whether it passed or not.

        Where the newest is meant, it is the one that answers; if none does, the newest.
        """
        async with _in_time(name):
            target = _in_service(await self._target(name, selector, tenant))
            try:
                resident = await self._first(target)
            except ModelError:
                newest = target.versions[0]
                failure = self.residents.failure(key_of(newest))
                if failure is None or failure.certificate is None:
                    raise
                return newest.version, failure.certificate
            return resident.version, resident.certificate

    async def is_ready(
        self, name: str, selector: Selector = None, tenant: str = DEFAULT_TENANT
    ) -> bool:
        """Whether a request is answered now. A model that is not loaded yet is loaded by this.

        Raises:
            NotFoundError: there is no such model, version or alias.
        """
        try:
            await self.find(name, selector, tenant)
        except (*UNFIT, UnavailableError):
            return False
        return True

    async def index(self, tenant: str = DEFAULT_TENANT) -> list[IndexEntry]:
        """All versions of a tenant's models, the newest first."""
        with suppress(UnavailableError, TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self.catalogue.refresh()
        return [
            self._indexed(entry, number)
            for entry in self.catalogue.entries(tenant)
            for number in entry.versions
        ]

    def _indexed(self, entry: CatalogueEntry, number: int) -> IndexEntry:
        reason = "unloaded" if entry.unloaded else ""
        failure = self.residents.failure((entry.id, number))
        if failure is not None and not reason:
            reason = failure.error.message
        return IndexEntry(entry.name, number, "UNAVAILABLE" if reason else "READY", reason)

    async def _target(self, name: str, selector: Selector, tenant: str) -> ResolvedVersions:
        """What is meant now; what was meant last where the database cannot be asked."""
        unreachable: Exception | None = None
        known = self.catalogue.target(name, selector, tenant) is not None
        try:
            async with asyncio.timeout(LOOK_SECONDS if known else UNKNOWN_SECONDS):
                await self.catalogue.refresh()
        except (UnavailableError, TimeoutError) as error:
            unreachable = error
        target = self.catalogue.target(name, selector, tenant)
        if target is not None:
            return target
        if unreachable is not None:
            raise UnavailableError(
                f"model {name!r} is not known here, and the database cannot be asked now; try "
                "again",
                code="database_unavailable",
            ) from unreachable
        if self.catalogue.entry(name, tenant) is None:
            raise models.no_model(name)
        raise models.no_version(name, selector)

    async def _first(self, target: ResolvedVersions) -> Resident:
        """The first of the versions that is fit to be served."""
        errors: list[ParsimonyError] = []
        for version in target.versions:
            try:
                return await self.residents.get(version, target.entry.name)
            except UNFIT as error:
                errors.append(error)
        raise errors[0]

    def _point(self, model: ModelKey, selectors: Iterable[Selector], resident: Resident) -> None:
        """Let a resident answer, and give up what it replaces."""
        if self.residents.peek(resident.key) is not resident:
            return  # given up meanwhile, for another model's sake
        replaced = set()
        for selector in selectors:
            before = self._answering.get((*model, selector))
            self._answering[*model, selector] = resident
            self._selectors.setdefault(model, set()).add(selector)
            if before is not None and before is not resident:
                replaced.add(before)
        used = {self._answering[*model, selector].key for selector in self._selectors[model]}
        for before in replaced:
            log.info("model %s: version %d after %d", model[1], resident.version, before.version)
            if before.key not in used:
                self.residents.drop(before.key)

    def _forget(self, resident: Resident) -> None:
        """Let a resident answer no more."""
        model = (resident.tenant, resident.name)
        for selector in tuple(self._selectors.get(model, ())):
            if self._answering[*model, selector] is resident:
                self._unpoint(model, selector)

    def _unpoint(self, model: ModelKey, selector: Selector) -> None:
        del self._answering[*model, selector]
        self._selectors[model].discard(selector)
        if not self._selectors[model]:
            del self._selectors[model]

    def _changed(self, changed: Iterable[ModelKey]) -> None:
        """Follow what the catalogue says of these: at once where what is meant is loaded.

        What was unfit is tried again when it is next meant: that is how a file which was mended is
        told of to all processes.
        """
        entries = {(tenant, name): self.catalogue.entry(name, tenant) for tenant, name in changed}
        self._give_up_deleted(entries)
        for entry in entries.values():
            if entry is not None:
                self.residents.pardon([(entry.id, number) for number in entry.versions])
        for model in self._selectors.keys() & entries.keys():
            entry = entries[model]
            if entry is None or entry.unloaded:
                for resident in {self._answering[*model, each] for each in self._selectors[model]}:
                    self._forget(resident)
                    self.residents.drop(resident.key)
                continue
            behind = False
            for target, selectors in self._astray(model):
                ready = self.residents.peek(key_of(target.versions[0]))
                behind |= ready is None
                if ready is not None:
                    self._point(model, selectors, ready)
            if behind and model not in self._following:
                task = asyncio.create_task(self._follow(model), name=f"follow {model[1]}")
                self._following[model] = task
                task.add_done_callback(partial(self._followed, model))

    def _give_up_deleted(self, entries: Mapping[ModelKey, CatalogueEntry | None]) -> None:
        """Let go of what is loaded of versions that are no more."""
        for resident in self.residents.held():
            model = (resident.tenant, resident.name)
            if model not in entries:
                continue
            entry = entries[model]
            model_id, number = resident.key
            if entry is None or entry.id != model_id or number not in entry.versions:
                self._forget(resident)
                self.residents.drop(resident.key)

    async def _follow(self, model: ModelKey) -> None:
        """Load what is meant by the selectors in use, and switch, until nothing is left to do."""
        tenant, name = model
        while True:
            entry, failed = self.catalogue.entry(name, tenant), False
            for target, selectors in self._astray(model):
                try:
                    resident = await self._first(target)
                except Exception as error:
                    # Whatever it is: the old version answers, and this goes on.
                    log.error("model %s stays at its old version: %s", name, error)
                    failed = True
                    continue
                if self.catalogue.entry(name, tenant) is not entry:
                    break
                self._point(model, selectors, resident)
            if self.catalogue.entry(name, tenant) is entry:
                if not failed:
                    return
                await asyncio.sleep(RETRY_SECONDS)

    def _followed(self, model: ModelKey, task: asyncio.Task[None]) -> None:
        del self._following[model]

    def _astray(self, model: ModelKey) -> list[tuple[ResolvedVersions, list[Selector]]]:
        """The selectors in use that mean another version now, those of one target together."""
        tenant, name = model
        found: dict[tuple[int, int], tuple[ResolvedVersions, list[Selector]]] = {}
        for selector in tuple(self._selectors.get(model, ())):
            target = self.catalogue.target(name, selector, tenant)
            if target is None:
                self._unpoint(model, selector)
            elif key_of(target.versions[0]) != self._answering[*model, selector].key:
                number = target.versions[0].version
                found.setdefault((number, len(target.versions)), (target, []))[1].append(selector)
        return list(found.values())

    async def change(
        self,
        write: Callable[Concatenate[Session, Parameters], Written],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Written:
        """Change the database, and follow it before anybody is told that it is done."""

        def transaction() -> Written:
            with self._database.write() as session:
                return write(session, *args, **kwargs)

        written = await in_pool("answers", transaction)
        # It is done, whatever comes now; the poll follows what this cannot.
        with suppress(UnavailableError, TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self.catalogue.refresh()
        return written


def _in_service(target: ResolvedVersions) -> ResolvedVersions:
    if target.entry.unloaded:
        name = target.entry.name
        raise UnavailableError(
            f"model {name!r} is unloaded; POST /v2/repository/models/{name}/load loads it",
            code="model_unloaded",
        )
    return target


@asynccontextmanager
async def _in_time(name: str) -> AsyncIterator[None]:
    """Refuse what waits for too long; what it waits for goes on."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise UnavailableError(
            f"model {name!r} is being loaded; try again in a moment", code="loading"
        ) from None
