"""The engine: what every door asks. Finds the model, reads rows, has them computed."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.serving.catalogue import IndexEntry
from service.serving.joiner import MOST_ROWS
from service.serving.registry import Registry
from service.serving.residents import Resident, load_resident
from service.threads import Pool, in_pool
from worker.caller import DEFAULT_TENANT
from worker.errors import DataError
from worker.models import PLAIN, Answers, AnswerSettings, Certificate, TrainedModel
from worker.results import PredictionWarning
from worker.settings import ServiceSettings
from worker.storage import deletion
from worker.storage.artefacts import Artefacts
from worker.storage.catalogue import StoredVersion
from worker.storage.database import Database

MOST_PASSES = 1_000_000
"""Rows times samples of a request."""
FEW_ROWS = 256
"""Up to here rows are read on the event loop: in a thread they would take longer."""


@dataclass(frozen=True)
class Answered:
    """What a model says of a request's instances."""

    answers: Answers
    warnings: list[PredictionWarning] | None
    """What the instances hold that training did not; none if they were not to be looked for."""
    read_ns: int = 0
    """What it took to read and encode them."""


class ServingEngine:
    """Loaded models, by name and version or alias."""

    def __init__(self, settings: ServiceSettings, database: Database, artefacts: Artefacts) -> None:
        self._artefacts = artefacts
        self._threads = ThreadPoolExecutor(settings.serving_threads, thread_name_prefix="compute")
        self._registry = Registry(database, self._load, settings.models_bytes)

    async def start(self) -> None:
        """Know what models there are, and follow what becomes of them."""
        await self._registry.start()

    async def stop(self) -> None:
        """Give up all models."""
        await self._registry.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def at_hand(
        self, name: str, version: str | None = None, *, tenant: str = DEFAULT_TENANT
    ) -> Resident | None:
        """The certified model that answers, if that is known without waiting."""
        return self._registry.at_hand(name, version, tenant)

    async def find(
        self, name: str, version: str | None = None, *, tenant: str = DEFAULT_TENANT
    ) -> Resident:
        """The certified model that answers: of this version or alias, `production`, or the newest.

        The newest is the newest that passes its certificate.

        Raises:
            NotFoundError: there is no such model, version or alias.
            ModelError: it did not pass its certificate.
            ArtefactError: its file is damaged.
            UnavailableError: it is unloaded, is being loaded still, or cannot be known now.
        """
        return await self._registry.find(name, version, tenant)

    async def load(
        self, name: str, version: str | None = None, *, tenant: str = DEFAULT_TENANT
    ) -> Resident:
        """Put a model into service, in all processes; what was unfit is tried again.

        Raises as :meth:`find`; then it stays out of service if it was.
        """
        return await self._registry.load(name, version, tenant)

    async def unload(self, name: str, *, tenant: str = DEFAULT_TENANT) -> None:
        """Take a model out of service, in all processes. Requests under way are answered.

        Raises:
            NotFoundError: there is no such model.
        """
        await self._registry.unload(name, tenant)

    async def is_ready(
        self, name: str, version: str | None = None, *, tenant: str = DEFAULT_TENANT
    ) -> bool:
        """Whether a request would be answered now. It loads what is not loaded yet.

        Raises:
            NotFoundError: there is no such model, version or alias.
        """
        return await self._registry.is_ready(name, version, tenant)

    def names(self, *, tenant: str = DEFAULT_TENANT) -> list[str]:
        """The tenant's models that are known here, sorted."""
        return [entry.name for entry in self._registry.catalogue.entries(tenant)]

    async def index(self, *, tenant: str = DEFAULT_TENANT) -> list[IndexEntry]:
        """All versions of the tenant's models: READY, or UNAVAILABLE and why."""
        return await self._registry.index(tenant)

    def residents(self, *, tenant: str | None = None) -> list[Resident]:
        """The models that are loaded; of one tenant, if given."""
        held = self._registry.residents.held()
        return held if tenant is None else [one for one in held if one.tenant == tenant]

    async def settle(self, name: str, *, tenant: str = DEFAULT_TENANT) -> None:
        """Have a model that is in use answer as the database has it now: by a version that a job
        has just registered, say.

        Raises:
            UnavailableError: the database cannot be read.
        """
        await self._registry.settle(name, tenant)

    async def set_alias(
        self, name: str, alias: str, version: int, *, tenant: str = DEFAULT_TENANT
    ) -> None:
        """Point an alias at a version, once that is loaded and has passed its certificate.

        Raises:
            NotFoundError: there is no such model or version.
            ConflictError: it did not pass; the alias stays as it is.
        """
        await self._registry.set_alias(name, alias, version, tenant)

    async def delete_alias(self, name: str, alias: str, *, tenant: str = DEFAULT_TENANT) -> None:
        """Have an alias answer no more; ``NotFoundError`` for an unknown model or alias."""
        await self._registry.change(deletion.delete_alias, name, alias, tenant=tenant)

    async def delete(
        self, name: str, version: int | None = None, *, tenant: str = DEFAULT_TENANT
    ) -> list[str]:
        """Delete a version, or a model as a whole; the folders of files that nobody needs now.

        Raises:
            NotFoundError: there is no such model or version.
            ConflictError: an alias points at the version, or a prediction needs it.
        """
        if version is None:
            return await self._registry.change(deletion.delete_model, name, tenant=tenant)
        return await self._registry.change(deletion.delete_version, name, version, tenant=tenant)

    async def predict(
        self,
        resident: Resident,
        instances: Sequence[Any],
        *,
        extra: bool = False,
        warnings: bool = True,
        settings: AnswerSettings = PLAIN,
        seconds: float | None = None,
        gone: Callable[[], bool] | None = None,
    ) -> Answered:
        """Answer instances as JSON has them, in order.

        Args:
            resident: the model that answers.
            instances: objects by column name, or arrays in column order.
            extra: whether an object may have columns that the model does not know.
            warnings: whether to look for what is worth a warning.
            settings: what is asked for beside the plain answer.
            seconds: how long the caller waits at most.
            gone: whether the client has left.

        Raises:
            DataError: an instance does not fit the model's columns.
            BusyError: there is too much before this request.
        """
        resident.joiner.check(seconds)
        begun = time.perf_counter_ns()
        if len(instances) <= FEW_ROWS:
            features, found = _read(resident, instances, extra, warnings)
        else:
            features, found = await in_pool("answers", _read, resident, instances, extra, warnings)
        read_ns = time.perf_counter_ns() - begun
        answers = await self.answers(
            resident, features, settings=settings, seconds=seconds, gone=gone
        )
        if warnings:
            resident.statistics.warn(len(features), found)
        return Answered(answers, found if warnings else None, read_ns)

    async def answers(
        self,
        resident: Resident,
        features: NDArray[np.float32],
        *,
        settings: AnswerSettings = PLAIN,
        seconds: float | None = None,
        gone: Callable[[], bool] | None = None,
    ) -> Answers:
        """What a model says of encoded rows ``[N, …]``; arguments as those of ``predict``.

        Raises:
            BusyError: there is too much before this request.
            DataError: more passes are asked for than a request may cost.
            SpecError: the model cannot answer so.
        """
        joiner, rows = resident.joiner, len(features)
        if not settings.plain:
            joiner.check(seconds)
            model = resident.model
            model.answerable.check(settings)
            _check_passes(model, rows, settings)
            if settings.mc_samples:
                return await in_pool("sampling", model.sample, features, settings)
            scores = await joiner.scores(features, seconds=seconds, gone=gone)
            pool: Pool = "sampling" if settings.members else "answers"
            return await in_pool(pool, model.answer_scores, features, scores, settings)
        if rows <= MOST_ROWS:
            joined, place = await joiner.join(features, seconds=seconds, gone=gone)
            return joined.answers.part(slice(place, place + rows))
        return resident.model.read_scores(await joiner.scores(features, seconds=seconds, gone=gone))

    async def certificate(
        self, name: str, version: str | None, *, tenant: str = DEFAULT_TENANT
    ) -> tuple[int, Certificate]:
        """A version's number and what its certification found, whether it passed or not."""
        return await self._registry.certificate(name, version, tenant)

    def _load(self, version: StoredVersion, name: str) -> Resident:
        return load_resident(self._artefacts, version, name, self._threads)


def _check_passes(model: TrainedModel, rows: int, settings: AnswerSettings) -> None:
    for param, times, what in (
        ("mc_samples", settings.mc_samples, "samples"),
        ("members", model.members if settings.members else 0, "networks"),
    ):
        if rows * times > MOST_PASSES:
            raise DataError(
                f"{rows:,} rows times {times:,} {what} are more than {MOST_PASSES:,} passes; send "
                "fewer rows at a time"
                + (", or ask for fewer samples." if param == "mc_samples" else "."),
                code="too_many_passes",
                param=param,
            )


def _read(
    resident: Resident, instances: Sequence[Any], extra: bool, warnings: bool
) -> tuple[NDArray[np.float32], list[PredictionWarning]]:
    """Instances as features ``[N, …]``, and what is worth a warning if that is looked for."""
    model = resident.model
    records = model.read(instances, extra=extra)
    return model.encode(records.table), model.surprises(records) if warnings else []
