"""A model as a `torch.export` archive (.pt2) that holds no pickle.

`torch.export.save` writes the program as JSON and its tensors as their bytes. What it would pickle
are the example inputs of the tracing, which are taken off before. Archives are looked through
before they are read here, since `torch.export.load` reads a pickle where there is one.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from worker.errors import ModelError
from worker.models.export.module import ExportedModel
from worker.models.export.rows import SampleRows
from worker.models.trained_model import TrainedModel

if TYPE_CHECKING:
    from torch.export import ExportedProgram

DESCRIPTION = "parsimony.json"
"""The extra file that says what inputs and outputs mean."""


def pt2_archive(model: TrainedModel, rows: SampleRows, description: str) -> bytes:
    """The archive of a model, not yet checked.

    Raises:
        ModelError: the network has something that this export does not know.
    """
    return save_archive(ExportedModel(model), tensors(model, rows), description)


def save_archive(module: nn.Module, inputs: Mapping[str, Tensor], description: str) -> bytes:
    """A module as an archive, with any number of rows."""
    from torch import export

    rows = export.Dim("rows", min=1)
    program = export.export(
        module,
        (),
        dict(inputs),
        dynamic_shapes={name: {0: rows} for name in inputs},
        strict=False,
    )
    program.example_inputs = None
    for part in program.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # Of no use elsewhere, with the paths of this place.
    sink = io.BytesIO()
    export.save(program, sink, extra_files={DESCRIPTION: description})
    return sink.getvalue()


def load_archive(data: bytes) -> "ExportedProgram":
    """The program of an archive without pickle.

    Raises:
        ModelError: with code `export_holds_pickle`, naming the file in the archive.
    """
    from torch import export

    refuse_pickle(data)
    return export.load(io.BytesIO(data))


def refuse_pickle(data: bytes) -> None:
    """Look through an archive: JSON, short texts and the bytes of tensors, and nothing else.

    Raises:
        ModelError: with code `export_holds_pickle`, naming the file in the archive.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        pickled = {
            f"{name.rpartition('/')[0]}/{entry['path_name']}": entry["use_pickle"]
            for name in names
            if name.endswith("_config.json")
            for entry in json.loads(archive.read(name))["config"].values()
        }
        for name in names:
            plain = (
                name.endswith(_TEXTS)
                or archive.getinfo(name).file_size == 0
                or pickled.get(name) is False
            )
            if not plain:
                raise ModelError(
                    f"The archive's {name} may be a pickle, which can run any program where it is "
                    "read, and is not published.",
                    code="export_holds_pickle",
                    file=name,
                )


_TEXTS = (".json", "/archive_format", "/archive_version", "/version", "/byteorder", "ation_id")


def tensors(model: TrainedModel, rows: SampleRows) -> dict[str, Tensor]:
    """Rows as the archive's program takes them."""
    columns = model.encoder.columns
    values = rows.table.values
    given: dict[str, Tensor] = {}
    numbers = [values[c.name] for c in columns if c.kind in ("numeric", "date")]
    codes = [values[c.name] for c in columns if c.kind == "categorical"]
    if numbers:
        given["numbers"] = torch.from_numpy(np.stack(numbers, axis=1))
    if codes:
        given["codes"] = torch.from_numpy(np.stack(codes, axis=1).astype(np.int64))
    for column in columns:
        if column.kind == "image":
            given["images"] = torch.from_numpy(values[column.name])
    return given
