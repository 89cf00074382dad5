"""What a search found, from what its configurations gave. Pure: no database, no HTTP."""

from worker.search.report.axes import Axis, ConfigurationResult, axes_of, is_number, on_axes
from worker.search.report.report import median, summarize

__all__ = [
    "Axis",
    "ConfigurationResult",
    "axes_of",
    "is_number",
    "median",
    "on_axes",
    "summarize",
]
