"""Text in any encoding, as UTF-8, while it comes."""

import codecs

from worker.data.charset import MARKS, codec_of, first_invalid_byte, is_unicode, is_utf8
from worker.data.reading import file_error
from worker.errors import DataError

_LONGEST_MARK = 4


class Decoding:
    """From the bytes of a file to its text in UTF-8, without a byte-order mark."""

    def __init__(self, encoding: str | None) -> None:
        """Begin; `encoding` is what the sender says, if anything."""
        self._encoding = encoding
        self._raw = b""
        self._decided = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self.marked = False
        """Whether the file began with the byte-order mark of UTF-8."""

    def text(self, data: bytes, *, last: bool) -> bytes:
        """What follows of the text.

        Raises:
            DataError: the bytes are not text in this encoding, or there is no such encoding.
        """
        data = self._raw + data
        self._raw = b""
        if not self._decided:
            if not last and len(data) < _LONGEST_MARK:
                self._raw = data
                return b""
            self._decided = True
            data = self._begun(data)
        if self._decoder is None:
            return data
        try:
            return self._decoder.decode(data, last).removeprefix("\ufeff").encode()
        except UnicodeError as error:
            reason = getattr(error, "reason", str(error))
            raise DataError(
                f"The file is not text in {self._encoding or 'the encoding that its mark says'}: "
                f"{reason}. Name another `encoding`, such as cp1252, or save the file in UTF-8.",
                code="not_encoded",
                param="encoding",
            ) from error

    def _begun(self, data: bytes) -> bytes:
        """The first bytes without a mark of UTF-8; what decodes is chosen by them."""
        encoding = self._encoding
        for mark, name in MARKS:
            if data.startswith(mark) and (encoding is None or is_unicode(encoding)):
                if name == "utf-8":
                    self.marked = True
                    return data[len(mark) :]
                encoding = name
                break
        if encoding is not None and not is_utf8(encoding):
            self._decoder = codecs.getincrementaldecoder(codec_of(encoding))()
        return data


def check_text(piece: bytes, line: int) -> None:
    """Refuse what is not UTF-8 text; the piece begins on this line.

    Raises:
        DataError: it names the line.
    """
    position = first_invalid_byte(piece)
    if position is not None:
        fact = f"byte 0x{piece[position]:02x} is not UTF-8"
    else:
        position, fact = piece.find(b"\0"), "it holds a zero byte"
        if position < 0:
            return
    line += piece.count(b"\n", 0, position)
    raise file_error(
        f"The file is not UTF-8 text: {fact} (line {line:,}). Save it in UTF-8, or name its "
        "`encoding`: cp1252 is usual on Windows.",
        "not_utf8",
        line=line,
    )
