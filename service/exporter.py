"""The exporter: models of the registry as files for other runtimes, each checked before it leaves.

ONNX and safetensors are made in a thread of the service. Tracing for `torch.export` replaces
functions of Python for the whole process while it works, so that it has a process of its own.
"""

import json
import os
import subprocess
import sys

from service.serving.residents import Resident
from worker.errors import ModelError
from worker.lru import Lru
from worker.models.export import ExportFormat, ExportSource, export, program
from worker.storage import models
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database

KEPT_BYTES = 64 * 1024**2
"""Most bytes of exported files that are kept for who asks again."""
SECONDS = 300.0
"""How long a process may take; tracing takes 2 to 15 s, longer where the machine is busy."""


class Exporter:
    """Makes files of models, and keeps those that were asked for last."""

    def __init__(self, database: Database, artefacts: Artefacts) -> None:
        self._database, self._artefacts = database, artefacts
        self._kept: Lru[tuple[str, int, ExportFormat], bytes] = Lru(KEPT_BYTES, weight=len)

    def file(self, resident: Resident, to: ExportFormat) -> bytes:
        """A model that serves, in another format.

        Raises:
            ModelError: the file would not answer as the model does, or keeps dropout in; or the
                network has what the format cannot say.
            ArtefactError: the model's own file is damaged.
        """
        with self._database.read() as session:
            row = models.resolve(session, resident.name, resident.version, tenant=resident.tenant)
        origin = ExportSource(resident.name, resident.version, row.sha256)

        def make() -> bytes:
            data = self._artefacts.read(row.path, row.sha256)
            own: ExportFormat = "safetensors" if to == "pt2" else to
            made = export(data, origin, own, position=row.position, live=resident.model)
            return made if to == own else export_apart(made, origin, to)

        return self._kept.get((row.model_id, row.version, to), make)


def export_apart(
    data: bytes, origin: ExportSource, to: ExportFormat, seconds: float = SECONDS
) -> bytes:
    """Export the model of a file of one, in a process of its own.

    Raises:
        ModelError: as `export` does, or `export_failed` if the process did not end well in time.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", program.__name__],
            input=program.request(origin, to, data),
            capture_output=True,
            timeout=seconds,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"The export took longer than {seconds:g} s and was given up; try again when the "
            "machine is less busy, or export the model as onnx or safetensors.",
            code="export_failed",
        ) from error
    if done.returncode == program.REFUSED:
        body = json.loads(done.stderr.splitlines()[-1])
        raise ModelError(body.pop("message"), **body)
    if done.returncode != 0:
        messages = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing was said"]
        raise ModelError(
            f"The process that exports ended with status {done.returncode}: {messages[-1]}",
            code="export_failed",
        )
    return done.stdout
