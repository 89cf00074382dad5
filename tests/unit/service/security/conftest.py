from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Databases
from worker.storage.database import Database


@pytest.fixture
def database(databases: Databases, tmp_path: Path) -> Iterator[Database]:
    with databases.new("sqlite", tmp_path) as database:
        yield database
