"""Export: one model as a file that other runtimes read, checked against the model that serves.

Imports of onnx, onnxruntime and torch.export lie inside functions: trainers and the start of the
service do without them.

``export``             one model in a given format, checked. The page to begin with
``steps``              what a trained network computes in eval mode, read off its modules
``module``             as a torch module without a trial dimension
``archive``            as a ``torch.export`` archive without pickle
``graph, onnx_graph``  ONNX operators under construction; the model as an ONNX graph
``onnx_features``      the preprocessing as ONNX operators
``rows, check``        rows to compare answers on; the comparison
``program``            an export in a process of its own
"""

from worker.models.export.export import ExportFormat, ExportSource, export, single

__all__ = ["ExportFormat", "ExportSource", "export", "program", "single"]
