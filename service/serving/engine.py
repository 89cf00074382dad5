"""The engine: what every door asks. Finds the model, reads rows, has them computed."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.serving.residents import Resident, admit, load
from service.threads import in_pool
from worker.lru import Lru
from worker.models import PLAIN, Answers, AnswerSettings, Certificate
from worker.results import PredictionWarning
from worker.settings import ServiceSettings
from worker.storage import models
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database

MODELS = 32
"""Most models kept loaded."""
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
        self._settings, self._database, self._artefacts = settings, database, artefacts
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="compute")
        self._loaded: Lru[tuple[str, int], Resident] = Lru(MODELS)

    def at_hand(self, name: str, version: str | None = None) -> Resident | None:
        """The certified model that answers, if that is known without waiting."""
        del name, version
        return None

    async def find(self, name: str, version: str | None = None) -> Resident:
        """The certified model that answers: of this version or alias, `production`, or the newest.

        Raises:
            NotFoundError: there is no such model, version or alias.
            ModelError: it did not pass its certificate.
            ArtefactError: its file is damaged.
        """
        ready = self.at_hand(name, version)
        return ready or admit(await in_pool("answers", self._load, name, version))

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
        scores = await resident.joiner.scores(features, seconds=seconds, gone=gone)
        if warnings:
            resident.statistics.warn(len(features), found)
        answers = resident.model.read_scores(scores, settings)
        return Answered(answers, found if warnings else None, read_ns)

    async def certificate(self, name: str, version: str | None) -> tuple[int, Certificate]:
        """A version's number and what its certification found, whether it passed or not."""
        resident = await in_pool("answers", self._load, name, version)
        return resident.version, resident.certificate

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _load(self, name: str, version: str | None) -> Resident:
        with self._database.read() as session:
            row = models.resolve(session, name, version)
        key = (row.model_id, row.version)
        return self._loaded.get(key, lambda: load(self._artefacts, row, name, self._threads))


def _read(
    resident: Resident, instances: Sequence[Any], extra: bool, warnings: bool
) -> tuple[NDArray[np.float32], list[PredictionWarning]]:
    """Instances as features ``[N, …]``, and what is worth a warning if that is looked for."""
    model = resident.model
    records = model.read(instances, extra=extra)
    return model.encode(records.table), model.surprises(records) if warnings else []
