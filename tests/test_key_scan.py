"""The scan for keys finds one wherever it could be left: else, that it finds none says nothing."""

import logging
import sys
from pathlib import Path

import httpx
import pytest

from tests.databases import Databases
from tests.key_scan import SCAN, KeyScan
from worker.storage import keys
from worker.storage.keys import ApiKey

KEY = f"pk_{'0' * 16}_{'0123456789abcdef' * 4}"
LOG = logging.getLogger("parsimony.tests.key_scan")


@pytest.fixture
def scan() -> KeyScan:
    """One that knows a key that the run's own does not."""
    scan = KeyScan()
    scan.remember(KEY)
    return scan


@pytest.mark.parametrize("part", [slice(None), slice(20, None), slice(30, 62)])
def test_in_a_text_whole_or_in_part(scan: KeyScan, part: slice) -> None:
    scan.look(f"authorization: {KEY[part]}…", "here")
    scan.look(KEY[3:19], "in its id")
    scan.look(keys.digest(KEY).hex(), "in its hash")
    assert scan.take() == ["here"]
    assert scan.take() == []


def test_in_files(scan: KeyScan, tmp_path: Path) -> None:
    log = tmp_path / "state" / "up.log"
    log.parent.mkdir()
    log.write_text(f"GET /?key={KEY[19:]}")
    scan.look_into(tmp_path)
    assert scan.take() == [f"in the file {log}"]
    log.unlink()


@pytest.mark.database_kinds("sqlite", "postgresql")
def test_in_any_database(
    scan: KeyScan, database_kind: str, databases: Databases, tmp_path: Path
) -> None:
    with databases.new(database_kind, tmp_path) as database:
        with database.write() as session:
            session.add(
                ApiKey(id="key_0", tenant="a", name=KEY[25:], sha256="0" * 64, scopes="read")
            )
        scan.look_at_rows(database.url, "it")
        assert scan.take() == ["in the table api_key of it"]
        with database.write() as session:
            session.get_one(ApiKey, "key_0").name = None
    SCAN.take()
    if database_kind == "sqlite":
        (tmp_path / "test.db").unlink()


def test_in_answers() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"x-key": KEY}, stream=httpx.ByteStream(KEY.encode()))

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        client.get("http://parsimony/")
    assert [where.partition(" (")[0] for where in SCAN.take()] == [
        "in an answer",
        "in the headers of in an answer",
    ]


def test_in_lines_of_the_log_and_in_what_a_crash_says(scan: KeyScan) -> None:
    def found(text: str, **options: object) -> list[str]:
        record = LOG.makeRecord(LOG.name, 40, __file__, 1, text, (), options.get("exc_info"))  # type: ignore[arg-type]
        scan.look_at_record(record)
        return scan.take()

    assert found(f"GET /v1/jobs?key={KEY}") == []  # the formatters name it and do not tell it
    assert found(f"GET /v1/jobs?key={KEY[:-1]}") == [f"in a line of {LOG.name}"]
    try:
        raise RuntimeError(KEY[:-1])
    except RuntimeError:
        assert found("it crashed", exc_info=sys.exc_info()) == [f"in a line of {LOG.name}"]


def test_the_run_knows_the_keys_that_it_makes() -> None:
    made = SCAN.made
    SCAN.look(keys.new_text()[40:], "here")
    assert SCAN.made == made + 1
    assert SCAN.take() == ["here"]
