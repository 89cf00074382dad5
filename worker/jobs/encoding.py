"""Encoding for a trainer: into memory where that is little, else into a file that all trainers of
the machine read, and that the next job on the same rows finds.

A matrix is known by the data set, what its table was read from and how, and the fingerprint of the
plan. The data set's id is part of it, so that no tenant can be given, or tell by the time it takes,
what another one has encoded.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.data import Encoded, Encoder, EncodingPlan, dump_encoders, load_encoders
from worker.settings import ServiceSettings
from worker.spec import Reading
from worker.storage import datasets
from worker.storage.database import Database
from worker.storage.matrices import FOLDER, MatrixStore, StoredMatrix
from worker.storage.tables import Dataset

logger = logging.getLogger(__name__)


def matrices_in(state: Path, most_bytes: int) -> MatrixStore:
    """The encoded data sets of an installation on this machine."""
    return MatrixStore(state / FOLDER, most_bytes)


class RowEncoder:
    """Encodes the rows of one data set."""

    def __init__(
        self,
        matrices: MatrixStore,
        dataset: Dataset,
        said: Reading,
        *,
        from_bytes: int,
        waiting: Callable[[], None],
    ) -> None:
        """Begin; ``waiting`` is called while others encode what is needed here."""
        self._matrices, self._owner = matrices, dataset.id
        self._from_bytes, self._waiting = from_bytes, waiting
        read_from = f"{dataset.sha256} {dataset.source_sha256} {said.model_dump_json()}"
        self._table = hashlib.sha256(read_from.encode()).hexdigest()

    def encode(self, plan: EncodingPlan) -> Encoded:
        """The matrix of a plan for the data set's table."""
        if plan.nbytes <= self._from_bytes:
            return plan.in_memory()
        try:
            return self._kept(plan)
        except OSError as error:
            # A full disk, or one that others took the file from: it is a place for what is kept
            # only to be quick.
            logger.warning("encoded rows are kept in memory: %s", error)
            return plan.in_memory()

    def _kept(self, plan: EncodingPlan) -> Encoded:
        key = f"{self._table} {plan.fingerprint}"
        stored = self._matrices.find(self._owner, key)
        if stored is None:
            if not self._matrices.takes(plan.nbytes):
                return plan.in_memory()
            with self._matrices.alone(self._owner, key, self._waiting):
                stored = self._matrices.find(self._owner, key) or self._made(plan, key)
        return Encoded(load_encoders(stored.files), stored.x)

    def _made(self, plan: EncodingPlan, key: str) -> StoredMatrix:
        encoders = plan.fit()
        files = dump_encoders(encoders)
        return self._matrices.add(self._owner, key, plan.shape, _pieces(plan, encoders), files)


def row_encoder(
    settings: ServiceSettings,
    database: Database,
    dataset: Dataset | None,
    said: Reading,
    waiting: Callable[[], None],
) -> Callable[[EncodingPlan], Encoded]:
    """How a trainer encodes: the rows of an uploaded data set once for all trainers here. What is
    kept of data sets that were deleted is removed.
    """
    matrices = matrices_in(settings.state, settings.encoded_bytes)
    _forget_deleted(database, matrices)
    if dataset is None:
        return EncodingPlan.in_memory
    from_bytes = settings.encoded_from_bytes
    return RowEncoder(matrices, dataset, said, from_bytes=from_bytes, waiting=waiting).encode


def _pieces(
    plan: EncodingPlan, encoders: tuple[Encoder, ...]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    _, rows, *shape = plan.shape
    for split, first, block in plan.blocks(encoders):
        yield (split * rows + first) * prod(shape), block


def _forget_deleted(database: Database, matrices: MatrixStore) -> None:
    """Remove what was encoded of data sets that are no longer there."""
    owners = matrices.owners()
    if not owners:
        return
    with database.read() as session:
        present = datasets.present(session, owners)
    for owner in owners:
        if owner not in present:
            matrices.forget(owner)
