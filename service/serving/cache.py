"""The models that are loaded, bounded in bytes; each is loaded once, however many ask for it.

All is done on the event loop, so nothing is locked; only loading is done in a thread.
"""

import asyncio
import ctypes
import logging
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache

from service.serving.residents import Key, Resident, admit
from service.threads import in_pool
from worker.errors import ModelError
from worker.models import Certificate
from worker.storage.artefacts import ArtefactError
from worker.storage.catalogue import StoredVersion

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
"""A file that could not be loaded is tried again after this long: it may have been mended. One that
did not pass its certificate is not, unless it is pardoned: the same file gives the same answers."""
FAILURES = 1_000
"""Most versions that are remembered not to be fit."""

Load = Callable[[StoredVersion, str], Resident]
"""From a version and its model's name to a model in memory, which may have failed its checks."""
UNFIT = (ModelError, ArtefactError)
"""The errors that say that a version itself is not fit to be served."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a version is not served."""

    error: ModelError | ArtefactError
    certificate: Certificate | None
    """What it did not pass; none if it could not be loaded."""
    until: float
    """On the event loop's clock."""


def key_of(version: StoredVersion) -> Key:
    """Under which a version is held."""
    return version.model_id, version.version


class ResidentCache:
    """The models used last, up to so many bytes. The newest stays, whatever it weighs.

    Args:
        capacity: bytes.
        load: loads a version and certifies it, in a thread.
        dropped: told of each model that is given up for another one.
    """

    def __init__(
        self, capacity: int, load: Load, dropped: Callable[[Resident], None] = lambda _: None
    ) -> None:
        self._capacity, self._load, self._dropped = capacity, load, dropped
        self._held: dict[Key, Resident] = {}
        self._loading: dict[Key, asyncio.Task[Resident]] = {}
        self._failures: OrderedDict[Key, Failure] = OrderedDict()
        self._clock = 0
        self._trimming: asyncio.Task[None] | None = None

    @property
    def bytes(self) -> int:
        """What the models weigh together."""
        return sum(resident.bytes for resident in self._held.values())

    def __len__(self) -> int:
        return len(self._held)

    def touch(self, resident: Resident) -> None:
        """It was used."""
        self._clock += 1
        resident.used = self._clock

    def peek(self, key: Key) -> Resident | None:
        """A model, if it is loaded."""
        return self._held.get(key)

    def held(self) -> list[Resident]:
        """All that are loaded."""
        return list(self._held.values())

    def failure(self, key: Key) -> Failure | None:
        """Why a version is not fit, if it is known not to be."""
        failure = self._failures.get(key)
        if failure is not None and failure.until <= asyncio.get_running_loop().time():
            del self._failures[key]
            return None
        return failure

    def pardon(self, keys: Collection[Key]) -> None:
        """Let versions be tried again."""
        for key in keys:
            self._failures.pop(key, None)

    async def get(self, version: StoredVersion, name: str) -> Resident:
        """The certified model of a version, loaded if it is not at hand.

        Who stops waiting does not stop the load.

        Raises:
            ModelError, ArtefactError: it is not fit to be served.
        """
        key = key_of(version)
        resident = self._held.get(key)
        if resident is not None:
            self.touch(resident)
            return resident
        failure = self.failure(key)
        if failure is not None:
            raise failure.error.with_traceback(None)
        task = self._loading.get(key)
        if task is None:
            task = asyncio.create_task(self._loaded(version, name), name=f"load {name}")
            self._loading[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    def drop(self, key: Key) -> None:
        """Give a model up. Requests that began with it end with it; then its memory is free."""
        self._held.pop(key, None)

    async def close(self) -> None:
        """Give all up, and wait for what is being loaded."""
        self._held.clear()
        tasks = [*self._loading.values(), *([self._trimming] if self._trimming else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _loaded(self, version: StoredVersion, name: str) -> Resident:
        key = key_of(version)
        try:
            resident = await in_pool("loading", self._load, version, name)
        except UNFIT as error:
            again = asyncio.get_running_loop().time() + RETRY_SECONDS
            self._remember(key, Failure(error, None, again))
            raise
        failure = _failed(resident)
        if failure is not None:
            del resident  # the error's traceback holds this frame
            self._remember(key, failure)
            raise failure.error
        weakref.finalize(resident, self._freed, asyncio.get_running_loop()).atexit = False
        resident.key = key
        self._held[key] = resident
        self.touch(resident)
        self._make_room(resident)
        return resident

    def _make_room(self, newest: Resident) -> None:
        weight = self.bytes
        for key, resident in sorted(self._held.items(), key=lambda held: held[1].used):
            if weight <= self._capacity:
                return
            if resident is not newest:
                weight -= resident.bytes
                self.drop(key)
                self._dropped(resident)

    def _remember(self, key: Key, failure: Failure) -> None:
        log.warning("%s", failure.error.message)
        self._failures[key] = failure
        while len(self._failures) > FAILURES:
            self._failures.popitem(last=False)

    def _ended(self, key: Key, task: asyncio.Task[Resident]) -> None:
        del self._loading[key]
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, UNFIT):
            # Whoever waited may have left.
            log.error("version %d could not be loaded: %s", key[1], error)

    def _freed(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by whoever let go of a model last, in any thread."""
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._trim)

    def _trim(self) -> None:
        if self._trimming is None or self._trimming.done():
            self._trimming = asyncio.create_task(in_pool("loading", trim), name="trim")


def _failed(resident: Resident) -> Failure | None:
    """What a model's certificate says against it, without the model."""
    try:
        admit(resident)
    except ModelError as error:
        return Failure(error.with_traceback(None), resident.certificate, float("inf"))
    return None


def trim() -> None:
    """Give memory that was freed back to the system, where the C library keeps it (glibc)."""
    give_back = _malloc_trim()
    if give_back is not None:
        give_back(0)


@lru_cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        function = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    function.argtypes, function.restype = [ctypes.c_size_t], ctypes.c_int
    found: Callable[[int], int] = function
    return found
