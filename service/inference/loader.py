"""From a registered version to a model that may be served."""

from dataclasses import dataclass

from worker.errors import ModelError
from worker.models import Certificate, TrainedModel, certify
from worker.storage.artefacts import Artefacts
from worker.storage.tables import ModelVersion


@dataclass(frozen=True)
class Served:
    """A model in eval mode, with the certificate that says so."""

    model: TrainedModel
    certificate: Certificate


def load(artefacts: Artefacts, version: ModelVersion) -> Served:
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
