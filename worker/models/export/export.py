"""From a fleet's model file to one model in another format, checked before it is given out."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from worker.models.export.rows import make_rows
from worker.models.file import ModelFile
from worker.models.trained_model import TrainedModel
from worker.schema import Json

ExportFormat = Literal["safetensors", "onnx", "pt2"]


@dataclass(frozen=True)
class ExportSource:
    """Which model is exported, for whoever finds the file later."""

    name: str
    version: int
    sha256: str
    """Of the fleet's file."""


def export(
    data: bytes,
    origin: ExportSource,
    to: ExportFormat,
    *,
    position: int = 0,
    live: TrainedModel | None = None,
) -> bytes:
    """A model in another format, preprocessing included.

    Args:
        data: the model file of its fleet.
        origin: which model it is.
        to: the format.
        position: of its trial in the file.
        live: the model that serves, with which the export is compared; the one in the file unless
            given.

    Raises:
        ModelError: `export_disagrees` with the model that serves, `export_keeps_dropout`,
            `export_holds_pickle`, `export_unsupported` or `export_too_large`.
    """
    model = live or TrainedModel.load(data, position)
    rows = make_rows(model.encoder)
    about = export_metadata(model, origin)
    if to == "safetensors":
        from worker.models.export.check import check_safetensors

        content = single(data, position, _texts(about))
        check_safetensors(content, model, rows)
    elif to == "onnx":
        from worker.models.export.check import check_onnx
        from worker.models.export.onnx_graph import onnx_model

        proto = onnx_model(model, origin.name, origin.version, _texts(about))
        content = proto.SerializeToString(deterministic=True)
        check_onnx(content, model, rows)
    else:
        from worker.models.export.archive import pt2_archive
        from worker.models.export.check import check_pt2

        content = pt2_archive(model, rows, json.dumps(about, ensure_ascii=False, indent=1))
        check_pt2(content, model, rows)
    return content


def export_metadata(model: TrainedModel, origin: ExportSource) -> Json:
    """What a file says of itself: of its columns, how they are given, and of its answers."""
    target = model.target
    about: Json = {
        "format": "parsimony",
        "name": origin.name,
        "version": str(origin.version),
        "source_sha256": origin.sha256,
        "network": model.trial.network.kind,
        "members": str(model.members),
        "target": target.column,
        "task": target.task,
        "columns": [
            {
                "name": column.name,
                "kind": column.kind,
                **({"categories": column.categories} if column.kind == "categorical" else {}),
                **({"shape": column.shape} if column.kind == "image" else {}),
                **({"unit": "days since 1970-01-01"} if column.kind == "date" else {}),
            }
            for column in model.encoder.columns
        ],
    }
    if target.task != "regression":
        about["classes"] = target.classes
    if target.task == "binary":
        about["positive"] = target.classes[target.positive_number or 0]
        about["threshold"] = str(model.threshold)
    return about


def _texts(about: Json) -> dict[str, str]:
    """The same as texts by name, as headers hold them: lists as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in about.items()
    }


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
