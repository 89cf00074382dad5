"""Metadata: what a model takes and gives, in the words of KServe and of Triton.

The inputs that are listed make one whole request: the columns, or the images. A table of numbers
alone may come as one matrix instead, which is listed beside them: a client that sends all inputs
that it reads of would send every row twice otherwise.
"""

from collections.abc import Iterator, Sequence

from service.serving.doors.oip.outputs import LABEL, PROBABILITIES, VALUE, output_names
from service.serving.doors.oip.rows import MOST_ROWS
from service.serving.residents import Resident
from worker.models import TrainedModel
from worker.schema import Json

SERVER = "parsimony"
PLATFORM = "parsimony_safetensors"
EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "parameters",
    "statistics",
)
MATRIX = "instances"
"""What the matrix of a table of numbers is called here; clients may call it otherwise."""
_TRITON_TYPES = {"BYTES": "TYPE_STRING"}


def model_metadata(resident: Resident, versions: Sequence[int]) -> Json:
    """The body of `GET /v2/models/{name}`."""
    metadata: Json = {
        "name": resident.name,
        "versions": [str(version) for version in versions],
        "platform": PLATFORM,
        "inputs": list(_inputs(resident.model)),
        "outputs": list(_outputs(resident.model)),
    }
    if resident.model.encoder.takes_numbers:
        width = len(resident.model.encoder.columns)
        metadata["matrix_input"] = {"name": MATRIX, "datatype": "FP64", "shape": [-1, width]}
    return metadata


def model_config(resident: Resident) -> Json:
    """The body of `GET /v2/models/{name}/config`, as Triton has it: shapes are without the rows."""
    target = resident.model.target
    return {
        "name": resident.name,
        "platform": PLATFORM,
        "backend": SERVER,
        "version_policy": {"all": {}},
        "max_batch_size": MOST_ROWS,
        "input": [_configured(tensor) | {"optional": False} for tensor in _inputs(resident.model)],
        "output": [_configured(tensor) for tensor in _outputs(resident.model)],
        "dynamic_batching": {},
        "instance_group": [{"name": resident.name, "kind": "KIND_CPU", "count": 1}],
        "parameters": {
            "task": {"string_value": target.task},
            "target": {"string_value": target.column},
            "version": {"string_value": str(resident.version)},
        },
    }


def _inputs(model: TrainedModel) -> Iterator[Json]:
    for column in model.encoder.columns:
        if column.kind == "image":
            pixels = model.encoder.pixels
            datatype = "UINT8" if pixels is not None and pixels.of_bytes else "FP32"
            shape = [-1, *column.shape]
        else:
            datatype, shape = "FP64" if column.kind == "numeric" else "BYTES", [-1, 1]
        yield {"name": column.name, "datatype": datatype, "shape": shape}


def _outputs(model: TrainedModel) -> Iterator[Json]:
    target = model.target
    for name in output_names(target):
        if name == LABEL:
            yield {"name": LABEL, "datatype": "BYTES", "shape": [-1]}
        elif name == PROBABILITIES:
            yield {
                "name": PROBABILITIES,
                "datatype": "FP32",
                "shape": [-1, len(target.classes)],
                "labels": list(target.classes),
            }
        else:
            datatype = "FP64" if target.task == "regression" else "INT64"
            yield {"name": VALUE, "datatype": datatype, "shape": [-1]}


def _configured(tensor: Json) -> Json:
    datatype = tensor["datatype"]
    return {
        "name": tensor["name"],
        "data_type": _TRITON_TYPES.get(datatype, f"TYPE_{datatype}"),
        "dims": tensor["shape"][1:],
    }
