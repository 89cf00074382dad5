"""A graph of ONNX operators under construction: nodes, constants, inputs and outputs by name.

Opset 17 and ai.onnx.ml 2, in files of IR version 8: what ONNX Runtime executes since 1.13.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worker.errors import ModelError

if TYPE_CHECKING:
    import onnx

OPSET, ML_OPSET, IR_VERSION = 17, 2, 8
LARGEST_FILE = 2_000_000_000
"""Bytes: Protocol Buffers end at 2 GiB."""
ML = "ai.onnx.ml"


class Graph:
    """Values are called by their names. Those of inputs and outputs are given; others are made."""

    def __init__(self, reserved: Collection[str]) -> None:
        self._reserved = frozenset(reserved)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._made = self._bytes = 0

    def input(self, name: str, dtype: type, shape: Sequence[int | str], description: str) -> str:
        """An input of the graph; it may be asked for again."""
        if any(value.name == name for value in self._inputs):
            return name
        self._inputs.append(_value(name, dtype, shape, description))
        return name

    def output(
        self, name: str, value: str, dtype: type, shape: Sequence[int | str], description: str
    ) -> None:
        """An output of the graph, of the value of that name."""
        self._emit("Identity", [value], [name], "", {})
        self._outputs.append(_value(name, dtype, shape, description))

    def constant(self, values: Any, dtype: type | None = None) -> str:
        """A constant: numbers, or texts if ``dtype`` is ``str``."""
        from onnx import TensorProto, numpy_helper

        name = self._name()
        if dtype is str:
            texts = [str(text).encode() for text in values]
            self._bytes += sum(map(len, texts))
            tensor = TensorProto(
                name=name, data_type=TensorProto.STRING, dims=[len(texts)], string_data=texts
            )
        else:
            array: NDArray[Any] = np.ascontiguousarray(np.asarray(values, dtype=dtype))
            array = array.reshape(np.shape(values))
            self._bytes += array.nbytes
            tensor = numpy_helper.from_array(array, name)
        self._constants.append(tensor)
        return name

    def add(self, operator: str, *values: str, domain: str = "", **attributes: Any) -> str:
        """A node with one output, whose name is returned."""
        name = self._name()
        self._emit(operator, values, [name], domain, attributes)
        return name

    def _emit(
        self,
        operator: str,
        values: Sequence[str],
        results: Sequence[str],
        domain: str,
        attributes: Mapping[str, Any],
    ) -> None:
        from onnx import helper

        self._nodes.append(helper.make_node(operator, values, results, domain=domain, **attributes))

    def _name(self) -> str:
        while True:
            self._made += 1
            name = f"v{self._made}"
            if name not in self._reserved:
                return name

    def model(
        self, name: str, description: str, properties: Mapping[str, str], version: int
    ) -> "onnx.ModelProto":
        """The finished model.

        Raises:
            ModelError: it would be larger than such a file can be.
        """
        from onnx import helper

        if self._bytes > LARGEST_FILE:
            raise ModelError(
                f"The model has {self._bytes:,} bytes of constants, and an ONNX file holds at most "
                f"{LARGEST_FILE:,}. Export it as safetensors or pt2.",
                code="export_too_large",
            )
        graph = helper.make_graph(
            self._nodes,
            name,
            self._inputs,
            self._outputs,
            initializer=self._constants,
            doc_string=description,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)],
            ir_version=IR_VERSION,
            producer_name="parsimony",
            model_version=version,
            doc_string=description,
        )
        helper.set_model_props(model, dict(properties))
        return model


def _value(
    name: str, dtype: type, shape: Sequence[int | str], description: str
) -> "onnx.ValueInfoProto":
    from onnx import TensorProto, helper

    kind = TensorProto.STRING if dtype is str else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, list(shape), doc_string=description)
