"""What `parsimony up` tells of jobs."""

import logging

import pytest

from service.journal import JobJournal
from tests.api.client import Client
from tests.api.work import post, train


def test_what_happens_to_jobs_is_told_once_and_from_now_on(
    fresh: Client, caplog: pytest.LogCaptureFixture
) -> None:
    train(fresh, post(fresh))
    journal = JobJournal(fresh.services.settings)
    caplog.set_level(logging.INFO, logger="parsimony.jobs")

    def told() -> list[tuple[str, str]]:
        caplog.clear()
        journal.tell()
        lines = [record for record in caplog.records if record.name == "parsimony.jobs"]
        return [(getattr(line, "job", ""), line.getMessage()) for line in lines]

    assert told() == []
    job = train(fresh, post(fresh))["id"]
    lines = told()
    assert {who for who, _ in lines} == {job}
    assert lines[0][1].startswith("accepted")
    assert lines[-1][1].startswith("succeeded")
    assert told() == []
    with journal:
        pass  # its thread ends with the block
