"""One trial of a fleet's model file as a file of its own, in the same format."""

import json
import struct
from collections.abc import Mapping

from torch import Tensor

from worker.models.file import ModelFile


def single(data: bytes, position: int, metadata: Mapping[str, str]) -> bytes:
    """A file that holds trial ``position`` alone, with ``metadata`` for people in its header.

    Raises:
        ModelError: the file is no model file, or has no such trial.
    """
    file = ModelFile.load(data)
    if file.manifest.networks:  # of an ensemble the file is the model
        return with_metadata(file.dump(), metadata)
    trial, manifest = file.trial(position), file.manifest
    split, members = trial.fold or 0, manifest.members[position]
    tensors: dict[str, Tensor] = {}
    for name, tensor in file.tensors.items():
        if name.startswith("members."):
            if members:
                tensors[name] = tensor[position : position + 1, :members].clone()
        elif name.startswith(("weights.", "buffers.")) or name == "probe.scores":
            tensors[name] = tensor[position : position + 1].clone()
        else:
            tensors[name] = tensor[split : split + 1].clone()
    alone = manifest.model_copy(
        update={
            # The file has the constants of one split, which are number 0 in it.
            "trials": [{**manifest.trials[position], "fold": None if trial.fold is None else 0}],
            "members": [members],
            "thresholds": manifest.thresholds[position : position + 1],
        }
    )
    further = {} if trial.fold is None else {"fold": str(trial.fold)}
    return with_metadata(ModelFile(tensors, alone).dump(), {**metadata, **further})


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
