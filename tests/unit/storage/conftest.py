from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import KINDS, Databases
from worker.storage.database import Database


@pytest.fixture(params=KINDS)
def database(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path
) -> Iterator[Database]:
    with databases.new(request.param, tmp_path) as database:
        yield database
