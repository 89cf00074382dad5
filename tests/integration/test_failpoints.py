"""SIGKILL at every named point in the life of a fleet: it ends as one that nobody disturbed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.integration.running import Running, running
from tests.integration.test_recovery import settings_of
from tests.waiting import until
from worker.data import Table
from worker.data.table import categorical, images
from worker.failpoints import POINTS
from worker.storage import datasets, deletion, jobs
from worker.storage.artefacts import Artefacts
from worker.storage.tables import Job

SEARCHED: dict[str, Any] = {
    "network": {"kind": "mlp", "hidden": [8, 8]},
    "regularization": {
        "batch_norm": {},
        "dropout": {"p": 0.2},
        "ema": {"decay": 0.9},
        "mixup": {"alpha": 0.2},
        "early_stopping": {"patience": 3},
    },
    "training": {"epochs": 8, "batch_size": 32},
    "search": {
        "space": {"regularization.dropout.p": {"low": 0.1, "high": 0.5}},
        "trials": 4,
        "method": "halving",
        "min_epochs": 2,
        "refit": True,
        "ensemble": {"method": "greedy"},
    },
    "model": "searched",
}
"""Whatever could betray a lost or repeated step: masks, running means, averages, pairs of rows,
patience, and a choice between epochs."""


IMAGES: dict[str, Any] = {
    "network": {"kind": "cnn", "channels": [2], "hidden": [4]},
    "regularization": {
        "batch_norm": {},
        "random_crop": {"padding": 1},
        "flip": {"horizontal": 0.5},
        "cutout": {"p": 0.5},
    },
    "training": {"epochs": 3, "batch_size": 16},
}
"""Augmented images: what is cut and mirrored is drawn anew in each epoch."""


@pytest.fixture(scope="module")
def fail_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names the point at which the next process dies; read by child processes alone."""
    path = tmp_path_factory.mktemp("fail") / "at"
    os.environ["PARSIMONY_FAIL_FILE"] = str(path)
    yield path
    del os.environ["PARSIMONY_FAIL_FILE"]


@pytest.fixture(scope="module")
def here(fail_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("state")
    with running(settings_of(state, f"sqlite:///{state}/parsimony.db")) as here:
        yield here


def hashes(here: Running, job_id: str) -> list[str | None]:
    """Of the result files of a search's fleets, of its refit, and of its ensemble."""
    with here.database.read() as session:
        job = session.get(Job, job_id)
        files = [fleet.result_sha256 for fleet in jobs.fleets(session, job_id)]
        return files if job is None else [*files, job.ensemble_sha256]


@pytest.fixture(scope="module")
def undisturbed(here: Running) -> list[str | None]:
    job = here.ended(here.post(**SEARCHED))
    assert (job.state, job.error) == ("succeeded", None)
    found = hashes(here, job.id)
    assert len(found) == 3
    assert None not in found
    return found


@pytest.mark.slow
@pytest.mark.parametrize("point", [point for point in POINTS if not point.startswith("gc.")])
def test_a_process_that_dies_there_changes_nothing(
    here: Running, undisturbed: list[str | None], fail_file: Path, point: str
) -> None:
    if point == "resume.read":  # somebody must have died before
        fail_file.write_text("checkpoint.referred", encoding="utf-8")
        job_id = here.post(**SEARCHED)
        until(lambda: not fail_file.exists())
        fail_file.write_text(point, encoding="utf-8")
    else:
        fail_file.write_text(point, encoding="utf-8")
        job_id = here.post(**SEARCHED)
    job = here.ended(job_id)
    assert not fail_file.exists(), "nobody came to this point"
    assert (job.state, job.error) == ("succeeded", None)
    assert hashes(here, job_id) == undisturbed
    with here.database.read() as session:
        versions = jobs.find_job(session, job_id).model_version
    assert versions is not None


def pixels(here: Running) -> str:
    """The id of a data set of 64 digits, 8×8."""
    rows, labels = load_digits(return_X_y=True)
    gray = (rows[:64].reshape(-1, 1, 8, 8) * 15).astype(np.uint8)
    names = [str(number) for number in range(10)]
    table = Table.of([images("pixels", gray), categorical("digit", names, labels[:64])])
    store = Artefacts(here.settings.artefacts_url)
    written = store.write("datasets", {"table": table.to_parquet()})
    with here.database.write() as session:
        return datasets.add_dataset(
            session,
            name="pixels",
            target="digit",
            rows=table.rows,
            columns=[],
            format="parquet",
            bytes=written.bytes,
            sha256=written.files["table"].sha256,
            path=written.file("table"),
        ).id


@pytest.mark.slow
def test_augmented_images_are_the_same_after_a_death(here: Running, fail_file: Path) -> None:
    spec = {**IMAGES, "dataset": pixels(here)}
    twin = here.ended(here.post(**spec))
    assert (twin.state, twin.error) == ("succeeded", None)
    for point in ("checkpoint.written", "checkpoint.referred", "result.written"):
        fail_file.write_text(point, encoding="utf-8")
        job = here.ended(here.post(**spec))
        assert not fail_file.exists(), "nobody came to this point"
        assert (job.state, job.error) == ("succeeded", None)
        assert here.fleet(job.id).attempt > 1
        assert hashes(here, job.id) == hashes(here, twin.id)


@pytest.mark.slow
@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("gc.")])
def test_a_deletion_that_dies_is_carried_on(
    here: Running, undisturbed: list[str | None], fail_file: Path, point: str
) -> None:
    job = here.ended(here.post(**{**SEARCHED, "model": None}))
    artefacts = Artefacts(here.settings.artefacts_url)
    assert f"jobs/{job.id}" in {folder.path.rsplit("/", 3)[0] for folder in artefacts.folders()}
    with here.database.write() as session:
        deletion.delete_job(session, job.id)
    command = [sys.executable, "-m", "service", "gc"]
    environment = {**os.environ, **here.settings.environment()}
    fail_file.write_text(point, encoding="utf-8")
    died = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (died.returncode, fail_file.exists()) == (-9, False), died.stderr
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [folder for folder in artefacts.folders() if job.id in folder.path]
    assert hashes(here, job.id) == []
