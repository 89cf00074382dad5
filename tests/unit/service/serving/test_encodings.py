"""Content codings: what was compressed comes back, within a bound, whatever is sent."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import MalformedError, MediaTypeError, TooLargeError
from service.serving.encodings import MOST_MEMBERS, SMALLEST, chosen, compressed, decompressed

LIMIT = 1 << 20


def bare(body: bytes) -> bytes:
    """A stream of deflate without zlib's head."""
    return zlib.compress(body)[2:-4]


@settings(max_examples=30)
@given(st.binary(max_size=5000))
def test_what_was_compressed_comes_back(body: bytes) -> None:
    assert decompressed(gzip.compress(body), "gzip", LIMIT) == body
    assert decompressed(gzip.compress(body), " X-GZip ", LIMIT) == body
    assert decompressed(zlib.compress(body), "deflate", LIMIT) == body
    assert decompressed(bare(body), "deflate", LIMIT) == body
    assert decompressed(body, "", LIMIT) == decompressed(body, "identity", LIMIT) == body
    assert decompressed(gzip.compress(body[:99]) + gzip.compress(body[99:]), "gzip", LIMIT) == body


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_an_answer_is_read_by_the_standard_library(coding: str) -> None:
    body = bytes(range(256)) * 20
    sent, said = compressed(body, coding)
    assert said == coding
    assert len(sent) < len(body)
    assert (gzip.decompress if coding == "gzip" else zlib.decompress)(sent) == body
    assert compressed(body[: SMALLEST - 1], coding) == (body[: SMALLEST - 1], "")


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, bare])
def test_a_bomb_is_refused_before_it_is_held(compress: Callable[[bytes], bytes]) -> None:
    coding = "gzip" if compress is gzip.compress else "deflate"
    bomb = compress(bytes(16 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            decompressed(bomb, coding, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    finally:
        tracemalloc.stop()
    assert decompressed(compress(bytes(LIMIT)), coding, LIMIT) == bytes(LIMIT)
    with pytest.raises(TooLargeError):
        decompressed(compress(bytes(LIMIT + 1)), coding, LIMIT)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (b"", "gzip"),
        (b"plain", "gzip"),
        (b"plain", "deflate"),
        (gzip.compress(b"ends early" * 99)[:-9], "gzip"),
        (zlib.compress(b"ends early" * 99)[:-9], "deflate"),
        (zlib.compress(b"more") + b"behind", "deflate"),
        (gzip.compress(b"more") + b"behind", "gzip"),
        (gzip.compress(b"") * (MOST_MEMBERS + 1), "gzip"),
    ],
    ids=range(8),
)
def test_what_is_damaged_is_said_to_be(body: bytes, coding: str) -> None:
    with pytest.raises(MalformedError, match=f"cannot be decompressed as {coding}"):
        decompressed(body, coding, LIMIT)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "*"])
def test_another_coding_is_refused(coding: str) -> None:
    with pytest.raises(MediaTypeError, match="gzip and deflate are read"):
        decompressed(b"", coding, LIMIT)


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", ""),
        ("identity", ""),
        ("*", ""),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate, gzip", "gzip"),
        ("gzip;q=0.5, deflate;q=0.9", "deflate"),
        ("GZIP;q=0", ""),
        ("br, deflate;q=oops", ""),
        ("gzip, deflate, br, zstd", "gzip"),
    ],
)
def test_the_client_chooses(accept: str, coding: str) -> None:
    assert chosen(accept) == coding
