"""The repository: which models there are, which are in memory; load and unload."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from service.dependencies import Services
from service.serving.residents import Resident
from service.threads import in_pool
from worker.errors import ModelError, NotFoundError, UnavailableError
from worker.storage import models


@dataclass(frozen=True)
class Indexed:
    """A version of a model."""

    name: str
    version: int
    state: Literal["READY", "UNAVAILABLE"]
    reason: str = ""
    """Why it is not ready."""


class Repository(Protocol):
    """What the door needs to know of models."""

    async def find(self, name: str, version: str | None) -> Resident:
        """The certified model that answers.

        Raises:
            NotFoundError: there is no such model, version or alias.
            UnavailableError: it was unloaded.
            ModelError: it did not pass its certificate.
        """

    async def versions(self, name: str) -> Sequence[int]:
        """A model's versions, oldest first; ``NotFoundError`` without one."""

    async def index(self) -> Sequence[Indexed]:
        """Every version of every model, by name."""

    async def load(self, name: str) -> None:
        """Load the version that answers, and have it answer from now on; errors as of `find`."""

    async def unload(self, name: str) -> None:
        """Take a model out of service and of memory; ``NotFoundError`` without one."""

    def residents(self) -> Sequence[Resident]:
        """The models in memory, in this process."""


class EngineRepository:
    """The models of one process, which knows of no others."""

    def __init__(self, services: Services) -> None:
        self._engine, self._database = services.serving, services.database

    async def find(self, name: str, version: str | None) -> Resident:
        """As `Repository` says."""
        if name in self._engine.unloaded:
            raise UnavailableError(
                f"Model {name!r} was unloaded; POST /v2/repository/models/{name}/load loads it.",
                code="unloaded",
            )
        return await self._engine.find(name, version)

    async def versions(self, name: str) -> Sequence[int]:
        """As `Repository` says."""
        return await in_pool("answers", self._versions, name)

    async def index(self) -> Sequence[Indexed]:
        """As `Repository` says."""
        stored = await in_pool("answers", self._stored)
        held = {(resident.name, resident.version): resident for resident in self.residents()}
        listed = []
        for name, version in stored:
            resident = held.get((name, version))
            reason = ""
            if name in self._engine.unloaded:
                reason = "unloaded"
            elif resident is None:
                reason = "not loaded; the first request for it loads it"
            elif not resident.certificate.passed:
                reason = "it did not pass its certificate"
            listed.append(Indexed(name, version, "UNAVAILABLE" if reason else "READY", reason))
        return listed

    async def load(self, name: str) -> None:
        """As `Repository` says."""
        await self._engine.find(name)
        self._engine.unloaded.discard(name)

    async def unload(self, name: str) -> None:
        """As `Repository` says."""
        model_id = await in_pool("answers", self._id, name)
        self._engine.unloaded.add(name)
        self._engine.forget(model_id)

    def residents(self) -> Sequence[Resident]:
        """As `Repository` says."""
        return self._engine.residents()

    def _versions(self, name: str) -> list[int]:
        with self._database.read() as session:
            return [row.version for row in reversed(models.describe(session, name).versions)]

    def _stored(self) -> list[tuple[str, int]]:
        with self._database.read() as session:
            return models.index(session)

    def _id(self, name: str) -> str:
        with self._database.read() as session:
            return models.find_model(session, name).id


def repository_of(services: Services) -> Repository:
    """The repository of a running service."""
    return EngineRepository(services)


async def unready(repository: Repository, name: str, version: str | None) -> str:
    """Why a model, which is loaded for that, cannot answer now; empty if it can.

    Raises:
        NotFoundError: there is no such model, version or alias.
    """
    try:
        await repository.find(name, version)
    except NotFoundError:
        raise
    except (ModelError, UnavailableError) as error:
        return error.message
    return ""
