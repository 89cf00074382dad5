"""Where the records of delimited text end, found without reading them cell by cell."""

import csv
import io
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from worker.data.dialect import collapsed, split_cells

_Spans = tuple[NDArray[np.int64], NDArray[np.int64]]
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|$)")
_BLANK = re.compile(rb"[\r\n]*")


def line_ends(text: bytes) -> int:
    """How many lines end in this text."""
    count = int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")))
    return count + (text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else 0)


def end_of_records(text: bytes, separator: str) -> int | None:
    """The byte behind the last record that certainly ends in this text; none if none does.

    A record ends at a line break outside quotation marks. A quotation mark opens at the beginning
    of a cell only, as Arrow has it.
    """
    spans = _quoted(text, separator.encode()) if b'"' in text else None
    for mark in (b"\n", b"\r"):
        end = _last_outside(text, mark, spans)
        if end is not None:
            return end + 1
    return None


def first_record(head: bytes, start: int, separator: str) -> tuple[list[str], int]:
    """The cells of the first record that is not blank, and the byte behind it."""
    blank = _BLANK.match(head, start)
    begin = end = blank.end() if blank else start
    while True:
        line = _LINE.match(head, end)
        end = line.end() if line else len(head)
        record = head[begin:end]
        whole = end_of_records(record + b"\n", separator) == len(record) + 1
        if end >= len(head) or whole:
            break
    text = (collapsed(record) if separator == " " else record).decode()
    return next(split_cells([text], separator), []), end


def records(
    text: bytes, separator: str, line: int, *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, by Python's reader, with the line that it begins on."""
    source = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", newline="")
    reader = csv.reader(source, delimiter=separator, strict=strict)
    begins = line
    for cells in reader:
        if cells:
            yield begins, cells
        begins = reader.line_num + line


def _last_outside(text: bytes, mark: bytes, spans: _Spans | None) -> int | None:
    """The last line break outside quotation marks."""
    # A last CR may be the first half of a CR LF.
    stop = len(text) - (mark == b"\r")
    while True:
        position = text.rfind(mark, 0, stop)
        if position < 0:
            return None
        if spans is None:
            return position
        opens, closes = spans
        before = int(np.searchsorted(opens, position)) - 1
        if before < 0 or closes[before] <= position:
            return position
        stop = int(opens[before])


def _quoted(text: bytes, separator: bytes) -> _Spans:
    """Where quoted parts begin and end; one that stays open ends behind the text."""
    array = np.frombuffer(text, dtype=np.uint8)
    marks = np.flatnonzero(array == ord('"'))
    opens, closes = marks[0::2], marks[1::2]
    # Where each that opens stands at the beginning of a cell, or doubles the one before it, those
    # that open and those that close take turns.
    before = array[np.maximum(opens - 1, 0)]
    begins = np.isin(before, np.frombuffer(separator + b"\r\n", dtype=np.uint8)) | (opens == 0)
    doubled = np.zeros(len(opens), dtype=bool)
    doubled[1:] = opens[1:] == closes[: len(opens) - 1] + 1
    if (begins | doubled).all():
        return opens, np.append(closes, len(text)) if len(opens) > len(closes) else closes
    pattern = rb"(?:(?<=[" + re.escape(separator) + rb'\r\n])|\A)"(?:[^"]|"")*(?:"|\Z)'
    spans = [match.span() for match in re.finditer(pattern, text)]
    return (
        np.array([begin for begin, _ in spans], dtype=np.int64),
        np.array([end for _, end in spans], dtype=np.int64),
    )
