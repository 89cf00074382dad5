"""Documents are given back as they were, from either database, and take little of SQLite's file."""

import hashlib
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tests.rows import RESULT, accept, claimed, good, trial
from worker.storage import documents, fleets, jobs
from worker.storage.database import Database
from worker.storage.tables import Job

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)
LONG = {"text": "x" * documents.LEAST_BYTES, "é": [1e-300, -0.0, None, True]}
SHORT = {"epochs": 3}


@given(VALUES)
def test_nothing_is_lost_in_deflating(document: Any) -> None:
    assert documents.inflated(documents.deflated(document)) == document


def test_what_was_deflated_by_the_dictionary_is_read_by_every_release() -> None:
    assert hashlib.sha256(documents.DICTIONARY).hexdigest() == (
        "fbe1fe5ef0509808de6e2f9dc05f841d073690ad115714d3321e47021a330f97"
    ), "a dictionary is for ever: rows that were deflated by it cannot be read by another"
    packed = documents.deflated(LONG)
    with pytest.raises(zlib.error):
        zlib.decompressobj(zdict=documents.DICTIONARY[1:]).decompress(packed)


def rows_of(database: Database) -> list[tuple[str, Any]]:
    """Kind and content of what lies in a column."""
    kind = "typeof(posted)" if database.is_sqlite else "'text'"
    with database.read() as session:
        found = session.execute(text(f"SELECT {kind}, posted FROM job ORDER BY created_at"))
        return [(row[0], row[1]) for row in found]


def test_long_ones_are_deflated_where_the_database_does_not_do_it(database: Database) -> None:
    with database.write() as session:
        for posted in (SHORT, LONG, None):
            job, _ = accept(session, [trial("a")])
            session.get_one(Job, job.id).posted = posted
    with database.read() as session:
        found = [row.posted for row in session.query(Job).order_by(Job.created_at)]
    assert found == [SHORT, LONG, None]
    stored = rows_of(database)
    if database.is_sqlite:
        assert [kind for kind, _ in stored] == ["text", "blob", "null"]
        assert len(stored[1][1]) < documents.LEAST_BYTES / 2
    else:
        assert [content for _, content in stored] == [SHORT, LONG, None]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_text_of_earlier_releases_is_read(database: Database) -> None:
    with database.write() as session:
        job, _ = accept(session, [trial("a")])
        old = '{"text": "%s", "n": 1.0e-08}' % ("y" * 500)
        session.execute(text("UPDATE job SET posted = :old, best = NULL"), {"old": old})
    with database.read() as session:
        assert jobs.find_job(session, job.id).posted == {"text": "y" * 500, "n": 1e-8}


def test_records_are_documents_too(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session, [trial("a")])
        lease = claimed(session, fleet.id)
        fleets.finish(session, lease, [good()], RESULT)
        before = session.get_one(Job, job.id).best
    with database.read() as session:
        assert jobs.find_job(session, job.id).best == before is not None
