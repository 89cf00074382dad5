"""Residents: models in memory, certified, ready to answer."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from service.serving.joiner import Joiner
from service.serving.statistics import Statistics
from worker.errors import ModelError
from worker.models import Certificate, TrainedModel, certify
from worker.storage.artefacts import Artefacts
from worker.storage.tables import ModelVersion


@dataclass(eq=False)
class Resident:
    """A model in eval mode, with the certificate that says so."""

    name: str
    """Of the model, for messages and answers."""
    version: int
    model: TrainedModel
    certificate: Certificate
    bytes: int
    """What it takes in memory, about."""
    joiner: Joiner
    statistics: Statistics


def load(
    artefacts: Artefacts, version: ModelVersion, name: str, threads: ThreadPoolExecutor
) -> Resident:
    """Read a version's weights, rebuild its network, certify it. It may have failed its checks.

    Raises:
        ArtefactError: its file is missing or is not what was written.
        ModelError: its file does not hold such a model.
    """
    content = artefacts.read(version.path, version.sha256)
    model = TrainedModel.load(content, version.position)
    statistics = Statistics()
    return Resident(
        name=name,
        version=version.version,
        model=model,
        certificate=certify(model),
        bytes=len(content),
        joiner=Joiner(model, statistics, threads),
        statistics=statistics,
    )


def admit(resident: Resident) -> Resident:
    """The resident, if it passed its certificate.

    Raises:
        ModelError: it did not; the message names the checks.
    """
    if resident.certificate.passed:
        return resident
    failed = [check for check in resident.certificate.checks if not check.passed]
    raise ModelError(
        f"Model {resident.name!r} did not pass its certificate and is not served: "
        + "; ".join(f"{check.name}: {check.detail}" for check in failed),
        code="not_certified",
        checks=[check.model_dump(mode="json") for check in failed],
    )
