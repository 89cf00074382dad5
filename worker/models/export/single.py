"""One trial of a fleet's model file as a file of its own, in the same format."""

import json
import struct
from collections.abc import Mapping

from worker.models.file import ModelFile


def single(data: bytes, position: int, metadata: Mapping[str, str]) -> bytes:
    """A file that holds trial ``position`` alone, with ``metadata`` for people in its header.

    Raises:
        ModelError: the file is no model file, or has no such trial.
    """
    file = ModelFile.load(data)
    fold = None if file.manifest.networks else file.trial(position).fold
    further = {} if fold is None else {"fold": str(fold)}
    return with_metadata(file.alone(position).dump(), {**metadata, **further})


def with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """A safetensors file with texts in its header, in their order: the same file every time.

    The library writes them in random order. Format: the length of the header, 8 bytes; the header,
    JSON filled up with blanks to a multiple of 8; the tensors, at places counted from its end.
    """
    (length,) = struct.unpack("<Q", data[:8])
    header = {"__metadata__": dict(metadata), **json.loads(data[8 : 8 + length])}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[8 + length :]
