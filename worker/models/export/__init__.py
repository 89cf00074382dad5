"""Export: one model as a file that other runtimes read, checked against the model that serves.

Imports of onnx, onnxruntime and torch.export lie inside functions: trainers and the start of the
service do without them.
"""

from worker.models.export.export import ExportFormat, ExportSource, export, single

__all__ = ["ExportFormat", "ExportSource", "export", "program", "single"]
