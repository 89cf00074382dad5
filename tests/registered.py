"""Models that are registered without being trained, and stand-ins for them in memory."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from service.serving.registry import Registry
from service.serving.residents import Resident
from tests.rows import RESULT, accept, claimed, good
from worker.caller import DEFAULT_TENANT
from worker.errors import ModelError
from worker.models import Certificate
from worker.results import Check
from worker.storage import fleets
from worker.storage.artefacts import ArtefactError
from worker.storage.catalogue import StoredVersion
from worker.storage.database import Database

Result = TypeVar("Result")


def register(database: Database, name: str, count: int = 1) -> None:
    """Give a model so many more versions."""
    for _ in range(count):
        with database.write() as session:
            _, (fleet,) = accept(session, model_name=name)
            fleets.finish(session, claimed(session, fleet.id), [good()], RESULT)


class Weights:
    """What a model would hold."""


class StandIn:
    """A loaded model, as far as names, bytes and certificates go."""

    def __init__(self, name: str, version: int, weight: int, passed: bool) -> None:
        self.name, self.version, self.bytes = name, version, weight
        self.tenant = DEFAULT_TENANT
        self.key, self.used, self.model = ("", 0), 0, Weights()
        check = Check(name="deterministic", passed=passed, detail="3 scores differ")
        self.certificate = Certificate(issued_at="", passed=passed, checks=(check,))


class Loader:
    """Loads stand-ins, in the order and at the time that a test wants."""

    def __init__(self, weight: int = 1) -> None:
        self.weight = weight
        self.begun: list[tuple[str, int]] = []
        self.unfit: set[tuple[str, int]] = set()
        """Those that do not pass their certificates."""
        self.damaged: set[tuple[str, int]] = set()
        self.gates: dict[tuple[str, int], threading.Event] = {}
        """Those that are loaded once their events are set."""
        self.inside: dict[tuple[str, int], threading.Event] = {}

    def hold(self, name: str, version: int) -> threading.Event:
        """Let a version's load wait for this event."""
        gate = self.gates[name, version] = threading.Event()
        self.inside[name, version] = threading.Event()
        return gate

    def __call__(self, version: StoredVersion, name: str) -> Resident:
        which = name, version.version
        self.begun.append(which)
        if which in self.gates:
            self.inside[which].set()
            if not self.gates[which].wait(30):
                raise ModelError("nobody let it be loaded")
        if which in self.damaged:
            raise ArtefactError(f"{name} is damaged")
        return cast(
            Resident, StandIn(name, version.version, self.weight, passed=which not in self.unfit)
        )


def in_loop(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run a coroutine function to its end, with a limit."""

    async def limited() -> Result:
        async with asyncio.timeout(30):
            return await work()

    return asyncio.run(limited())


def with_registry(
    database: Database, load: Loader, work: Callable[[Registry], Coroutine[Any, Any, Result]]
) -> Result:
    """Run a coroutine function on a registry that reads the catalogue when it is told to."""

    async def run() -> Result:
        registry = Registry(database, load, capacity=100)
        try:
            return await work(registry)
        finally:
            for gate in load.gates.values():
                gate.set()
            await registry.stop()

    return in_loop(run)
