"""Inference: load, certify, keep, predict in eval mode. Knows no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker.errors import ModelError
from worker.lru import Lru
from worker.models import Certificate, TrainedModel, certify
from worker.results import Prediction, PredictionWarning
from worker.storage.artefacts import Artefacts
from worker.storage.tables import ModelVersion

MODELS = 32
"""Most models kept loaded."""


@dataclass(frozen=True)
class Served:
    """A model in eval mode, with the certificate that says so."""

    model: TrainedModel
    certificate: Certificate


@dataclass(frozen=True)
class Answer:
    """What a model says of a request's instances."""

    predictions: list[Prediction]
    warnings: list[PredictionWarning] | None
    """What the instances hold that training did not; none if they were not to be looked for."""


def load_certified(artefacts: Artefacts, version: ModelVersion) -> Served:
    """Read a version's weights, rebuild its network, certify it. It may have failed its checks.

    Raises:
        ArtefactError: its file is missing or is not what was written.
        ModelError: its file does not hold such a model.
    """
    content = artefacts.read(version.path, version.sha256)
    model = TrainedModel.load(content, version.position)
    return Served(model=model, certificate=certify(model))


def admit(served: Served, name: str) -> TrainedModel:
    """The model, if it passed its certificate.

    Raises:
        ModelError: it did not; the message names the checks.
    """
    if served.certificate.passed:
        return served.model
    failed = [check for check in served.certificate.checks if not check.passed]
    raise ModelError(
        f"Model {name!r} did not pass its certificate and is not served: "
        + "; ".join(f"{check.name}: {check.detail}" for check in failed),
        code="not_certified",
        checks=[check.model_dump(mode="json") for check in failed],
    )


class InferenceEngine:
    """Loaded models by model and version. Every thread may ask it."""

    def __init__(self, artefacts: Artefacts, capacity: int = MODELS) -> None:
        self._artefacts = artefacts
        self._loaded: Lru[tuple[str, int], Served] = Lru(capacity)

    def predict(
        self,
        version: ModelVersion,
        name: str,
        instances: Sequence[Any],
        *,
        extra: bool = False,
        warnings: bool = True,
    ) -> Answer:
        """One prediction a row, in order.

        Args:
            version: the model's version that answers.
            name: the model's name, for messages.
            instances: objects by column name, or arrays in column order.
            extra: whether an object may have columns that the model does not know.
            warnings: whether to look for what is worth a warning.

        Raises:
            DataError: an instance does not fit the model's columns.
            ModelError: the model did not pass its certificate.
        """
        model = admit(self._served(version), name)
        records = model.read(instances, extra=extra)
        return Answer(
            predictions=model.predict(records.table),
            warnings=model.surprises(records) if warnings else None,
        )

    def certificate(self, version: ModelVersion) -> Certificate:
        """What certification found, whether it passed or not."""
        return self._served(version).certificate

    def _served(self, version: ModelVersion) -> Served:
        key = (version.model_id, version.version)
        return self._loaded.get(key, lambda: load_certified(self._artefacts, version))
