"""Content codings of bodies, gzip and deflate: read within a bound, written where they are wanted.

"deflate" is the zlib format (RFC 9110, 8.4.1.2); the bare stream that some clients send under this
name is read too. A gzip body may have several members, as bgzip and `cat a.gz b.gz` make them.
"""

import gzip
import zlib
from collections.abc import Iterator

from service.body_limit import too_large
from service.errors import MalformedError, MediaTypeError, TooLargeError
from worker.text import shortened

CODINGS = ("gzip", "deflate")
SMALLEST = 1024
"""Bytes of an answer from which on it is compressed: a shorter one is one packet anyway."""
MOST_MEMBERS = 4096
"""Of a gzip body. The end of each costs a copy of the chunk that it stands in."""
_LEVEL = 1
"""Of 9: an answer's numbers hardly become smaller by more."""
_CHUNK = 32 * 1024
_GZIP, _ZLIB, _BARE = 31, 15, -15


def decompressed(body: bytes, coding: str, limit: int) -> bytes:
    """A body as it was before it was compressed. Linear in its size and in `limit`.

    Args:
        body: as it came.
        coding: what the header Content-Encoding says; empty without one.
        limit: most bytes of what comes out; not many times that is ever held.

    Raises:
        MediaTypeError: the coding is none of `CODINGS`.
        MalformedError: the body is damaged, or ends early.
        TooLargeError: it is more than `limit` bytes.
    """
    name = coding.strip().lower().removeprefix("x-")
    if name in ("", "identity"):
        return body
    if name not in CODINGS:
        raise MediaTypeError(
            f"The body is compressed as {shortened(coding)}; gzip and deflate are read, one of "
            "them and once. Send it so, or as it is without the header Content-Encoding.",
            code="unsupported_content_encoding",
        )
    try:
        return _inflated(body, name, limit)
    except zlib.error as error:
        raise _damaged(name, str(error)) from error


def compressed(body: bytes, accept: str) -> tuple[bytes, str]:
    """A body as a client takes it, and its coding; the body itself and "" if it stays as it is.

    Args:
        body: what is to be sent; one below `SMALLEST` stays as it is.
        accept: what the header Accept-Encoding says; empty without one.
    """
    coding = chosen(accept) if len(body) >= SMALLEST else ""
    if coding == "gzip":
        return gzip.compress(body, _LEVEL, mtime=0), coding
    return (zlib.compress(body, _LEVEL), coding) if coding else (body, "")


def chosen(accept: str) -> str:
    """The coding of `CODINGS` that a client likes best, by the header Accept-Encoding; "" if none.

    One that is not named is not taken for accepted, be it by `*` or by a header that is missing:
    who does not say that it can read a coding may not.
    """
    best, weight = "", 0.0
    for part in accept.split(","):
        name, _, parameters = part.partition(";")
        name = name.strip().lower().removeprefix("x-")
        quality = _quality(parameters)
        if name in CODINGS and (quality, name == "gzip") > (weight, best == "gzip"):
            best, weight = name, quality
    return best if weight > 0.0 else ""


def _quality(parameters: str) -> float:
    key, _, value = parameters.partition("=")
    if key.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _inflated(body: bytes, name: str, limit: int) -> bytes:
    window = _GZIP if name == "gzip" else _ZLIB if _is_zlib(body) else _BARE
    stream = zlib.decompressobj(window)
    pieces: list[bytes] = []
    room, members = limit, 1
    view = memoryview(body)
    for start in range(0, len(view), _CHUNK):
        data: bytes | memoryview = view[start : start + _CHUNK]
        while data:
            if stream.eof:
                members += 1
                if name != "gzip" or members > MOST_MEMBERS:
                    raise _damaged(name, "there is more behind its end")
                stream = zlib.decompressobj(window)
            piece = stream.decompress(data, room + 1)
            if len(piece) > room:
                raise too_large(limit)
            room -= len(piece)
            pieces.append(piece)
            data = stream.unused_data
    if not stream.eof:
        raise _damaged(name, "it ends early")
    return b"".join(pieces)


def _is_zlib(body: bytes) -> bool:
    """Whether a body begins as RFC 1950 has it: method 8, and a check of five bits."""
    return len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _damaged(name: str, why: str) -> MalformedError:
    return MalformedError(
        f"The body cannot be decompressed as {name}: {shortened(why)}. Compress it anew, or send "
        "it as it is without the header Content-Encoding.",
        code="damaged_body",
    )


class Inflater:
    """Decompresses a body that is not held: in pieces, as it comes.

    What comes out has no bound by itself, since it is not held either; but no more than
    `MOST_RATIO` times what came in, from `FREE` bytes on, so that a small body is small work.
    """

    FREE = 32 * 1024 * 1024
    MOST_RATIO = 200
    """Tables of numbers become 2 to 20 times smaller; one and the same row over again 500 times."""
    _PIECE = 256 * 1024

    def __init__(self, coding: str) -> None:
        """Begin; `coding` is one of `CODINGS`."""
        self._name = coding
        self._stream = zlib.decompressobj(_GZIP) if coding == "gzip" else None
        self._begun = b""
        self._taken = self._given = 0

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What the data become, a piece at a time; all of them must be taken.

        Raises:
            MalformedError: the body is damaged.
            TooLargeError: it grows too much.
        """
        self._taken += len(data)
        if self._stream is None:
            self._begun += data
            if len(self._begun) < 2:
                return
            data, self._begun = self._begun, b""
            self._stream = zlib.decompressobj(_ZLIB if _is_zlib(data) else _BARE)
        try:
            while data:
                if self._stream.eof:
                    if self._name != "gzip":
                        raise _damaged(self._name, "there is more behind its end")
                    self._stream = zlib.decompressobj(_GZIP)
                piece = self._stream.decompress(data, self._PIECE)
                self._given += len(piece)
                if self._given > max(self.FREE, self.MOST_RATIO * self._taken):
                    raise TooLargeError(
                        f"The body becomes more than {self.MOST_RATIO} times as large when it is "
                        "decompressed. Send it as it is, without the header Content-Encoding.",
                        limit=self.MOST_RATIO,
                    )
                if piece:
                    yield piece
                data = self._stream.unused_data or self._stream.unconsumed_tail
        except zlib.error as error:
            raise _damaged(self._name, str(error)) from error

    def end(self) -> None:
        """Say that nothing follows.

        Raises:
            MalformedError: something should.
        """
        if self._taken and (self._stream is None or not self._stream.eof):
            raise _damaged(self._name, "it ends early")


class Deflater:
    """Compresses an answer in pieces, as it is made."""

    def __init__(self, coding: str) -> None:
        """Begin; `coding` is one of `CODINGS`."""
        self._stream = zlib.compressobj(_LEVEL, wbits=_GZIP if coding == "gzip" else _ZLIB)

    def piece(self, data: bytes) -> bytes:
        """What the data become, as far as it can be sent."""
        return self._stream.compress(data)

    def end(self) -> bytes:
        """The rest."""
        return self._stream.flush()
