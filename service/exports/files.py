"""An export as one file: CSV as it is, folders as a zip."""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from service.exports.mlflow import run_files
from service.exports.tensorboard import event_file
from service.exports.trial_curves import TrialCurves, curves_csv

JobExportFormat = Literal["csv", "tensorboard", "mlflow"]
ZIP = "application/zip"
TEXT = "text/csv; charset=utf-8"
LONGEST_FOLDER = 100


@dataclass(frozen=True)
class ExportedFile:
    """What is sent."""

    name: str
    media_type: str
    content: bytes


def exported(
    form: JobExportFormat, job: str, name: str, trials: Sequence[TrialCurves]
) -> ExportedFile:
    """The curves of some trials of a job in one of the forms; the same curves, the same bytes."""
    if form == "csv":
        return ExportedFile(f"{job}-curves.csv", TEXT, curves_csv(trials))
    if form == "tensorboard":
        content = _zip(_event_files(job, trials))
    else:
        content = _zip((f"mlruns/{p}", c) for p, c in run_files(job, name, list(trials)))
    return ExportedFile(f"{job}-{form}.zip", ZIP, content)


def _event_files(job: str, trials: Sequence[TrialCurves]) -> Iterator[tuple[str, bytes]]:
    """A folder a trial, as TensorBoard tells runs apart, in the order of the leaderboard."""
    width = len(str(len(trials)))
    for place, trial in enumerate(trials, 1):
        plain = re.sub(r"[^A-Za-z0-9_.=+-]+", "_", trial.label).strip("._")[:LONGEST_FOLDER]
        began = int(trial.time_of(0))
        file = f"events.out.tfevents.{began}.parsimony"
        yield f"{job}/{place:0{width}d}-{plain}/{file}", event_file(trial)


def _zip(files: Iterable[tuple[str, bytes]]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files:
            # Without a time of its own, so that the same content is the same file.
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return sink.getvalue()
