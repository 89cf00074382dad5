from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rows import new_database
from worker.storage.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path)
    yield database
    database.close()
