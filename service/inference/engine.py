"""The engine: answers predictions with models that it keeps loaded."""

from collections.abc import Sequence
from typing import Any

from service.inference.loader import Served, admit, load_certified
from worker.lru import Lru
from worker.results.model import Prediction
from worker.storage.artefacts import Artefacts
from worker.storage.tables import ModelVersion
from worker.training.certificate import Certificate

MODELS = 32
"""Most models kept loaded."""


class Engine:
    """Loaded models by model and version. Every thread may ask it."""

    def __init__(self, artefacts: Artefacts, capacity: int = MODELS) -> None:
        self._artefacts = artefacts
        self._loaded: Lru[tuple[str, int], Served] = Lru(capacity)

    def predict(
        self, version: ModelVersion, name: str, instances: Sequence[Any]
    ) -> list[Prediction]:
        """One prediction a row, in order.

        Raises:
            DataError: an instance does not fit the model's columns.
            ModelError: the model did not pass its certificate.
        """
        model = admit(self._served(version), name)
        return model.predict_records(list(instances))

    def certificate(self, version: ModelVersion) -> Certificate:
        """What certification found, whether it passed or not."""
        return self._served(version).certificate

    def _served(self, version: ModelVersion) -> Served:
        key = (version.model_id, version.version)
        return self._loaded.get(key, lambda: load_certified(self._artefacts, version))
