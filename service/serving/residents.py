"""Residents: models in memory, certified, ready to answer."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from service.serving.joiner import Joiner
from service.serving.statistics import Statistics
from service.serving.weight import bytes_held
from worker.caller import DEFAULT_TENANT
from worker.errors import ModelError
from worker.models import Certificate, TrainedModel, certify
from worker.storage.artefacts import Artefacts
from worker.storage.catalogue import StoredVersion

Key = tuple[str, int]
"""Id of a model, and number of a version."""
WARM_ROWS = (1, 16, 256)
"""Rows of the batches that a model answers before it is ready: what the first answers of a kind
have to prepare is then prepared."""


@dataclass(eq=False)
class Resident:
    """A model in eval mode, with the certificate that says so."""

    name: str
    """Of the model, for messages and answers."""
    version: int
    model: TrainedModel
    certificate: Certificate
    bytes: int
    """What it takes in memory."""
    joiner: Joiner
    statistics: Statistics
    key: Key = ("", 0)
    """Under which it is held."""
    tenant: str = DEFAULT_TENANT
    """Whose it is."""
    used: int = 0
    """When it was used last: a number that grows with each use of any model."""
    row_bytes: float = 0.0
    """What a row takes in the body of a plain request, of late."""
    unread_rows: float = 0.0
    """Rows, about, of plain requests that are here and wait to be read."""


def load_resident(
    artefacts: Artefacts, version: StoredVersion, name: str, threads: ThreadPoolExecutor
) -> Resident:
    """Read a version's weights, rebuild its network, certify it, and let it answer some rows.

    It may have failed its checks.

    Raises:
        ArtefactError: its file is missing or is not what was written.
        ModelError: its file does not hold such a model.
    """
    content = artefacts.read(version.path, version.sha256)
    model = TrainedModel.load(content, version.position)
    del content
    certificate = certify(model)
    statistics = Statistics()
    joiner = Joiner(model, statistics, threads)
    if certificate.passed:
        _warm_up(model, joiner)
    return Resident(
        name=name,
        version=version.version,
        model=model,
        certificate=certificate,
        bytes=bytes_held(model),
        joiner=joiner,
        statistics=statistics,
        tenant=version.tenant,
    )


def _warm_up(model: TrainedModel, joiner: Joiner) -> None:
    """Answer batches of the usual sizes, and tell the joiner how long they took."""
    known = model.probe_features[0].numpy()
    taken = {}
    for rows in WARM_ROWS if len(known) else ():
        features = np.resize(known, (rows, *known.shape[1:]))
        for _ in range(2):  # the first one is slower
            begun = time.perf_counter_ns()
            answers = model.read_scores(model.forward(features))
            taken[rows] = time.perf_counter_ns() - begun
        next(answers.rows())
    if taken:
        fewest, most = WARM_ROWS[0], WARM_ROWS[-1]
        pace = (taken[most] - taken[fewest]) / (most - fewest)
        joiner.set_pace(taken[fewest], max(pace, 1.0))


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
