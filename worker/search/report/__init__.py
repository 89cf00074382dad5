"""What a search found, from what its configurations gave. Pure: no database, no HTTP.

``report``      the report as a whole
``axes``        the searched fields, and what each configuration gave
``choice``      the winner: the best mean, or by one standard error the simplest
``importance``  how much each field matters
``surface``     the objective over two fields, in bins
``worth``       whether the importances can be believed, and what the search brought
"""

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
