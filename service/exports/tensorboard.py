"""TensorBoard's event files, of one trial each.

A file is a sequence of records (TFRecord): the length in 8 bytes, its checksum, the data, theirs;
all little-endian. A checksum is a CRC-32C, turned by 15 bits and moved, as in tensorflow's
``masked_crc32c``. The data are messages in protocol buffers, of which these fields are written::

    Event    wall_time = 1 (double), step = 2 (int64), file_version = 3 (string),
             summary = 5 (Summary)
    Summary  value = 1 (repeated Value)
    Value    tag = 1 (string), simple_value = 2 (float)

Source: tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto,
tensorflow/core/lib/io/record_writer.cc.
"""

import struct
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.exports.trial_curves import TrialCurves

VERSION = b"brain.Event:2"
ONE = np.uint32(1)
_POLYNOMIAL = 0x82F63B78
"""Castagnoli's, its bits in reverse."""


def _table() -> NDArray[np.uint32]:
    entries: NDArray[np.uint32] = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        entries = (entries >> ONE) ^ (entries & ONE) * np.uint32(_POLYNOMIAL)
    return entries


_CRC = _table()


def crc32c(blocks: Sequence[bytes]) -> NDArray[np.uint32]:
    """The CRC-32C (RFC 3720, appendix B.4) of each block, those of one length together."""
    remainders = np.empty(len(blocks), dtype=np.uint32)
    lengths = np.array([len(block) for block in blocks])
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length).tolist()
        joined = b"".join(blocks[place] for place in places)
        columns = np.frombuffer(joined, dtype=np.uint8).reshape(len(places), length).T
        crc = np.full(len(places), 0xFFFFFFFF, dtype=np.uint32)
        for column in columns:
            crc = (crc >> 8) ^ _CRC[(crc ^ column) & 0xFF]
        remainders[places] = crc ^ np.uint32(0xFFFFFFFF)
    return remainders


def event_file(trial: TrialCurves) -> bytes:
    """The curves of a trial: each metric a tag, each epoch a step."""
    events = list(_events(trial))
    lengths = [struct.pack("<Q", len(event)) for event in events]
    parts = (lengths, _masked(lengths), events, _masked(events))
    return b"".join(b"".join(record) for record in zip(*parts, strict=True))


def _events(trial: TrialCurves) -> Iterator[bytes]:
    yield _wall_time(trial.time_of(0)) + _bytes(3, VERSION)
    for epoch in range(1, trial.epochs + 1):
        values = b"".join(
            _bytes(1, _bytes(1, name.encode()) + b"\x15" + struct.pack("<f", value))
            for name, value in trial.values_of(epoch)
        )
        yield _wall_time(trial.time_of(epoch)) + b"\x10" + _varint(epoch) + _bytes(5, values)


def _wall_time(seconds: float) -> bytes:
    return b"\x09" + struct.pack("<d", seconds)


def _bytes(field: int, content: bytes) -> bytes:
    """A field of length-delimited content."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _masked(blocks: Sequence[bytes]) -> list[bytes]:
    crc = crc32c(blocks)
    turned = (crc >> 15 | crc << 17) + np.uint32(0xA282EAD8)
    return [struct.pack("<I", one) for one in turned]
