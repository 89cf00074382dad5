"""A copy that is taken while a fleet trains, and what becomes of the fleet there."""

from pathlib import Path

import pytest

from tests.integration.running import running
from tests.integration.test_recovery import LONG, settings_of
from worker.settings import ServiceSettings
from worker.storage import backup


def settings_at(state: Path) -> ServiceSettings:
    return settings_of(state, f"sqlite:///{state}/parsimony.db")


@pytest.mark.slow
def test_an_interrupted_job_is_continued_from_the_copy_to_the_same_bits(tmp_path: Path) -> None:
    with running(settings_at(tmp_path / "state")) as here:
        job_id = here.post(**LONG)
        here.checkpointed(job_id)
        copied = backup.create(here.settings, tmp_path / "copy", release="1")
        assert copied.files > 1
        assert here.job(job_id).state == "running"
        assert here.ended(job_id).state == "succeeded"
        undisturbed = here.fleet(job_id)
    backup.restore(tmp_path / "copy", tmp_path / "new")
    with running(settings_at(tmp_path / "new")) as there:
        taken_over = there.fleet(job_id)
        assert (taken_over.result_sha256, taken_over.epoch < taken_over.epochs) == (None, True)
        assert there.ended(job_id).state == "succeeded"
        again = there.fleet(job_id)
    assert again.result_sha256 == undisturbed.result_sha256 is not None
    assert again.attempt == undisturbed.attempt + 1
