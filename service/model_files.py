"""The files of registered versions, as they are read here: manifests, weights, one trial's file.

A fleet's file holds the models of all its trials, a version is one of them. What was read last is
kept in memory, as far as it is not large.
"""

import hashlib
from dataclasses import dataclass

from worker.data import Cell
from worker.lru import Lru
from worker.models import Coefficients, Manifest, ModelFile, read_manifest, read_ranges
from worker.models.export import single
from worker.storage.artefacts import Artefacts
from worker.storage.tables import ModelVersion

OWN_BYTES = 32 * 1024**2
"""Most bytes of files of one trial, and of coefficients, that are kept for who asks again."""
MANIFESTS = 256
"""Manifests that are kept."""


@dataclass(frozen=True)
class OwnFile:
    """A model file that holds one trial alone."""

    content: bytes
    sha256: str


class ModelFiles:
    """Reads the files of versions.

    Every method raises ``ArtefactError`` where the file is missing or damaged, ``UnavailableError``
    while the store is at fault, and ``ModelError`` where it is no model file.
    """

    def __init__(self, artefacts: Artefacts) -> None:
        self._artefacts = artefacts
        self._manifests: Lru[str, Manifest] = Lru(MANIFESTS)
        self._ranges: Lru[tuple[str, int], dict[str, tuple[Cell, Cell]]] = Lru(MANIFESTS)
        self._coefficients: Lru[tuple[str, int], Coefficients] = Lru(
            OWN_BYTES, weight=lambda found: found.original.nbytes + found.standardized.nbytes
        )
        self._own: Lru[tuple[str, int], OwnFile] = Lru(
            OWN_BYTES, weight=lambda file: len(file.content)
        )

    def forget(self) -> None:
        """Keep nothing of what was read."""
        for kept in (self._manifests, self._ranges, self._coefficients, self._own):
            kept.forget_where(lambda key: True)

    def manifest(self, row: ModelVersion) -> Manifest:
        """What the file says of its models, without their weights."""

        def read() -> Manifest:
            with self._artefacts.open(row.path) as file:
                return read_manifest(file)

        return self._manifests.get(row.path, read)

    def ranges(self, row: ModelVersion) -> dict[str, tuple[Cell, Cell]]:
        """The smallest and the largest number or date that the training rows had, by column."""

        def read() -> dict[str, tuple[Cell, Cell]]:
            with self._artefacts.open(row.path) as file:
                return read_ranges(file, self.manifest(row), row.position)

        return self._ranges.get((row.path, row.position), read)

    def coefficients(self, row: ModelVersion) -> Coefficients:
        """Of a linear network; ``ConflictError`` for others."""

        def read() -> Coefficients:
            file = ModelFile.load(self._artefacts.read(row.path, row.sha256))
            return Coefficients.of(file, row.position)

        return self._coefficients.get((row.path, row.position), read)

    def own(self, row: ModelVersion, name: str) -> OwnFile:
        """The version's trial alone: the stored file where that holds no other, or is that of an
        ensemble, else one that is made of it, the same every time.
        """

        def make() -> OwnFile:
            whole = self._artefacts.read(row.path, row.sha256)
            manifest = self.manifest(row)
            if len(manifest.trials) == 1 or manifest.networks:
                return OwnFile(whole, row.sha256)
            about = {
                "format": "parsimony",
                "name": name,
                "version": str(row.version),
                "source_sha256": row.sha256,
                "source_position": str(row.position),
            }
            content = single(whole, row.position, about)
            return OwnFile(content, hashlib.sha256(content).hexdigest())

        return self._own.get((row.path, row.position), make)
