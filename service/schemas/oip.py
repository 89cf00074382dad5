"""Bodies of the Open Inference Protocol, version 2."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from service.schemas.common import Body
from worker.schema import Json

NAME = "circle"
Parameters = dict[str, str | bool | int | float]


class Said(BaseModel):
    """A body that a client sends: members beyond the protocol's are not looked at."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="allow")


class ServerLive(Body):
    """The server answers."""

    live: Annotated[Literal[True], Field(examples=[True])] = True
    """Always true."""


class ServerReady(Body):
    """Requests can be served now."""

    ready: Annotated[Literal[True], Field(examples=[True])] = True
    """Always true; the answer is a problem with status 503 otherwise."""


class ServerMetadata(Body):
    """What answers here."""

    name: Annotated[str, Field(examples=["parsimony"])]
    """Always `parsimony`."""
    version: Annotated[str, Field(examples=["1.0.0"])]
    """The installed release."""
    extensions: Annotated[list[str], Field(examples=[["binary_tensor_data"]])]
    """What there is beside the protocol's required part."""


class ModelList(Body):
    """The models that there are."""

    models: Annotated[list[str], Field(examples=[[NAME]])]
    """Their names."""


class TensorMetadata(Body):
    """A tensor that a model takes or gives."""

    # Only an output of probabilities has labels.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    name: Annotated[str, Field(examples=["x1"])]
    """Its name."""
    datatype: Annotated[str, Field(examples=["FP64"])]
    """The type of its elements. A numeric column takes any numeric type, whichever stands here."""
    shape: Annotated[list[int], Field(examples=[[-1, 1]])]
    """Its shape; -1 for the rows."""
    labels: Annotated[list[str] | None, Field(examples=[None])] = None
    """Of an output with one element a class: the classes, in order."""


class ModelMetadata(Body):
    """What a model takes and gives."""

    # Only a table of numbers has a matrix.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    name: Annotated[str, Field(examples=[NAME])]
    """Its name."""
    versions: Annotated[list[str], Field(examples=[["1"]])]
    """Its versions, oldest first."""
    platform: Annotated[str, Field(examples=["parsimony_safetensors"])]
    """Always `parsimony_safetensors`."""
    inputs: list[TensorMetadata]
    """The tensors of a request: one a column, or one of images."""
    outputs: list[TensorMetadata]
    """The tensors of an answer."""
    matrix_input: TensorMetadata | None = None
    """Of a table whose columns are all numeric: the one tensor that may come in place of all
    inputs, under any name, with the columns in the order of the inputs."""


class ModelReady(Body):
    """A model can answer now."""

    name: Annotated[str, Field(examples=[NAME])]
    """Its name."""
    ready: Annotated[Literal[True], Field(examples=[True])] = True
    """Always true; the answer is a problem with status 503 otherwise."""


class ModelConfig(BaseModel):
    """A model's configuration, as Triton's extension `model_configuration` has it."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="allow")

    name: Annotated[str, Field(examples=[NAME])]
    """Its name."""
    platform: Annotated[str, Field(examples=["parsimony_safetensors"])]
    """Always `parsimony_safetensors`."""
    max_batch_size: Annotated[int, Field(examples=[100_000])]
    """Most rows of a request."""
    input: Annotated[
        list[Json], Field(examples=[[{"name": "x1", "data_type": "TYPE_FP64", "dims": [1]}]])
    ]
    """The inputs, their dimensions without the rows."""
    output: Annotated[
        list[Json], Field(examples=[[{"name": "label", "data_type": "TYPE_STRING", "dims": []}]])
    ]
    """The outputs, likewise."""


class ModelStatistics(Body):
    """How often models were asked and how long they took, as Triton's extension `statistics` says.

    Those in memory, in the process that answers, since each was loaded.
    """

    model_stats: Annotated[
        list[Json],
        Field(examples=[[{"name": NAME, "version": "1", "inference_count": 2}]]),
    ]
    """One a version. Durations are sums, in nanoseconds."""


class InputTensor(Said):
    """A tensor of a request."""

    name: Annotated[str, Field(min_length=1, examples=["instances"])]
    """The column's name; any for a matrix of all columns, and for images."""
    shape: Annotated[list[int], Field(max_length=8, examples=[[2, 2]])]
    """Its shape, rows first."""
    datatype: Annotated[
        Literal[
            "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
            "FP16", "FP32", "FP64", "BYTES",
        ],
        Field(examples=["FP64"]),
    ]  # fmt: skip
    """The type of its elements. BYTES are texts."""
    parameters: Annotated[Json, Field(examples=[{}])] = {}
    """`binary_data_size`: how many bytes behind the JSON part are its elements."""
    data: Annotated[list[Any] | None, Field(examples=[[0.5, -0.3, 1.9, 1.8]])] = None
    """Its elements, nested or flat in row-major order, unless they are sent as bytes. A missing
    cell is NaN or null among floats, and an empty text among BYTES."""


class RequestedOutput(Said):
    """An output that is wanted."""

    name: Annotated[str, Field(min_length=1, examples=["probabilities"])]
    """`label`, `probabilities` or `value`."""
    parameters: Annotated[Json, Field(examples=[{}])] = {}
    """`binary_data`: whether as bytes behind the JSON part. `classification`, of probabilities: so
    many of the most probable classes instead, as texts `probability:number:label`."""


class InferRequest(Said):
    """A request for inference. With tensors as bytes, they follow this JSON in the order of the
    inputs, and the header `Inference-Header-Content-Length` says how long it is.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "inputs": [
                        {
                            "name": "instances",
                            "shape": [2, 2],
                            "datatype": "FP64",
                            "data": [0.5, -0.3, 1.9, 1.8],
                        }
                    ]
                },
                {
                    "id": "42",
                    "inputs": [
                        {"name": "x1", "shape": [2], "datatype": "FP32", "data": [0.5, 1.9]},
                        {"name": "x2", "shape": [2], "datatype": "FP32", "data": [-0.3, 1.8]},
                    ],
                    "outputs": [{"name": "probabilities", "parameters": {"classification": 1}}],
                },
            ]
        }
    )

    id: Annotated[str | None, Field(examples=["42"])] = None
    """Comes back in the answer."""
    parameters: Annotated[Json, Field(examples=[{"timeout": 500_000}])] = {}
    """`timeout` in microseconds; `binary_data_output`, whether outputs come as bytes; `extra`, what
    to do with inputs that the model does not know: `refuse` or `ignore`; and how to answer:
    `mc_samples`, `seed`, `calibrated`, `coverage`, `members`."""
    inputs: Annotated[list[InputTensor], Field(min_length=1)]
    """The rows: one tensor a column by its name; one matrix [N, P] of a table whose columns are all
    numeric; or one tensor [N, C, H, W] of images."""
    outputs: Annotated[list[RequestedOutput] | None, Field(examples=[None])] = None
    """The outputs that are wanted, in their order; all of them without this."""


class OutputTensor(Body):
    """A tensor of an answer."""

    # Elements as bytes are not in the JSON part.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    name: Annotated[str, Field(examples=["label"])]
    """Its name."""
    datatype: Annotated[str, Field(examples=["BYTES"])]
    """The type of its elements."""
    shape: Annotated[list[int], Field(examples=[[2]])]
    """Its shape, rows first."""
    parameters: Annotated[Json | None, Field(examples=[None])] = None
    """`binary_data_size`: how many bytes behind the JSON part are its elements."""
    data: Annotated[list[Any] | None, Field(examples=[["0", "1"]])] = None
    """Its elements, flat, in row-major order."""


class InferResponse(Body):
    """Answers, in the order of the rows."""

    # An id that was not sent, and warnings that there are not, are left out.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    model_name: Annotated[str, Field(examples=[NAME])]
    """The model that answered."""
    model_version: Annotated[str, Field(examples=["1"])]
    """Its version."""
    id: Annotated[str | None, Field(examples=["42"])] = None
    """The request's."""
    parameters: Annotated[Json | None, Field(examples=[{"warnings": 1}])] = None
    """`warnings`: how many things the rows hold that training did not, as `/v1` tells them."""
    outputs: list[OutputTensor]
    """The outputs."""


class IndexRequest(Said):
    """Which versions to list."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"ready": True}]})

    ready: Annotated[StrictBool, Field(examples=[True])] = False
    """Whether only those that are ready."""


class IndexedModel(Body):
    """A version of a model in the index."""

    name: Annotated[str, Field(examples=[NAME])]
    """The model's name."""
    version: Annotated[str, Field(examples=["1"])]
    """The version's number."""
    state: Annotated[Literal["READY", "UNAVAILABLE"], Field(examples=["READY"])]
    """`READY` if a request would be answered."""
    reason: Annotated[str, Field(examples=[""])]
    """Why it is not ready."""


class RepositoryRequest(Said):
    """How to load or unload a model: there is no choice."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    parameters: Annotated[Json, Field(examples=[{}])] = {}
    """`unload_dependents` is taken and means nothing: no model depends on another. A `config`, or
    files, are refused: a model's file has all of it."""
