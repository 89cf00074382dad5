"""What a search found, from what its configurations gave. Pure: no database, no HTTP."""

from worker.search.report.axes import ConfigurationResult, axes_of, in_order, is_numeric_value
from worker.search.report.report import median, summarize

__all__ = [
    "ConfigurationResult",
    "axes_of",
    "in_order",
    "is_numeric_value",
    "median",
    "summarize",
]
