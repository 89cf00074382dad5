"""Charset: from a file's bytes to text in UTF-8.

Decisions:

* UTF-8 unless a byte-order mark, or the sender, says otherwise; bytes that are no UTF-8 are refused
  and not guessed at, since any bytes are some text in latin-1.
* Zero bytes at the beginning tell UTF-16 without its mark, which is proposed, and what is no text.
"""

import codecs

from worker.data.reading import file_error, unsupported
from worker.errors import DataError
from worker.text import shortened

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = {
    "idna",
    "mbcs",
    "oem",
    "palmos",
    "punycode",
    "raw-unicode-escape",
    "undefined",
    "unicode-escape",
    "utf-7",
}
"""Python's codecs that are no encodings of files."""
_END_OF_FILE = b"\x1a"
"""What DOS wrote behind a text."""
_ZEROS_IN = 4096
"""Bytes at the beginning in which zeros are looked for."""
_PIECE = 2**22
"""Bytes of text that are decoded at once."""


def decoded(data: bytes, encoding: str | None) -> bytes:
    """The text as UTF-8, without a byte-order mark.

    Raises:
        DataError: it is empty, there is no such encoding, or the bytes are not text in it.
    """
    for mark, name in MARKS:
        if data.startswith(mark) and (encoding is None or is_unicode(encoding)):
            data, encoding = (data[len(mark) :], None) if name == "utf-8" else (data, name)
            break
    data = data.removesuffix(_END_OF_FILE)
    if encoding is not None and not is_utf8(encoding):
        data = _recoded(data, encoding)
    while data.startswith(codecs.BOM_UTF8):  # Of a file that was put behind another's mark.
        data = data[len(codecs.BOM_UTF8) :]
    _check_text(data)
    return data


def _recoded(data: bytes, encoding: str) -> bytes:
    name = codec_of(encoding)
    try:
        return data.decode(name).removeprefix("\ufeff").encode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"The file is not text in {encoding}: {error.reason} at byte {error.start:,}. Name "
            "another `encoding`, such as cp1252, or save the file in UTF-8.",
            code="not_encoded",
            param="encoding",
        ) from error
    except UnicodeEncodeError as error:
        raise file_error(
            f"The file holds halves of characters in {encoding}. Save it in UTF-8.", "not_utf8"
        ) from error


def codec_of(encoding: str) -> str:
    """Python's name of an encoding."""
    name = ""
    try:
        name = codecs.lookup(encoding).name
        b"a".decode(name)  # Refuses codecs that are not of text.
    except UnicodeError:
        pass  # Two bytes at least, as in UTF-16.
    except (LookupError, ValueError):
        name = ""
    if not name or name.replace("_", "-") in _NO_TEXT:
        raise DataError(
            f"There is no encoding {shortened(encoding)!r}. Usual are utf-8, latin-1, cp1252 "
            "(Windows), mac-roman, utf-16, shift_jis, gb18030.",
            code="unknown_encoding",
            param="encoding",
        )
    return name


def is_utf8(encoding: str) -> bool:
    """Whether this is UTF-8 under one of its names."""
    return codec_of(encoding) in ("utf-8", "utf-8-sig", "utf_8_sig")


def is_unicode(encoding: str) -> bool:
    """Whether this is one of Unicode's encodings, which a byte-order mark may tell apart."""
    return codec_of(encoding).startswith(("utf-", "utf_"))


def _check_text(data: bytes) -> None:
    """Refuse what is not UTF-8 text."""
    if not data or data.isspace():
        raise file_error("The file is empty. Give a header line and rows.", "empty_file")
    _check_zeros(data[:_ZEROS_IN])
    position = first_invalid_byte(data)
    if position is not None:
        reason = f"byte 0x{data[position]:02x} is not UTF-8"
        remedy = 'Save it in UTF-8, or name its encoding: "encoding": "cp1252" is usual on Windows.'
    else:
        position, reason = data.find(b"\0"), "it holds a zero byte"
        remedy = 'Save it as CSV in UTF-8, or name its encoding, such as "encoding": "utf-16-le".'
        if position < 0:
            return
    line = data.count(b"\n", 0, position) + 1
    raise file_error(
        f"The file is not UTF-8 text: {reason} (line {line}). {remedy}", "not_utf8", line=line
    )


def _check_zeros(head: bytes) -> None:
    """Refuse text of two bytes a character, and what is no text, by the zero bytes in it."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if not even and not odd:
        return
    if min(even, odd) * 10 < max(even, odd) > len(head) // 8:
        name = "utf-16-le" if odd > even else "utf-16-be"
        raise file_error(
            f'The file looks like text in {name}, without the mark that says so: set "encoding": '
            f'"{name}", or save it in UTF-8.',
            "not_utf8",
            line=1,
        )
    if even + odd > 1 and _is_binary(head):
        raise unsupported("it is no text, and no format that is known here. Save the table as CSV")


def _is_binary(head: bytes) -> bool:
    """Whether bytes that texts do not have are many."""
    return sum(byte < 9 or 13 < byte < 32 for byte in head) * 20 > len(head)


def first_invalid_byte(data: bytes) -> int | None:
    """Where the bytes cease to be UTF-8, if they do."""
    if data.isascii():
        return None
    start = 0
    while start < len(data):
        piece = data[start : start + _PIECE]
        try:
            # A character that the end of the piece cuts is left to the next one.
            _, used = codecs.utf_8_decode(piece, "strict", start + len(piece) == len(data))
        except UnicodeDecodeError as error:
            return start + error.start
        start += used
    return None
