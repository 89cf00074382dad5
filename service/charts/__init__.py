"""Charts of a job's curves: a Chart.js configuration, and a picture."""

from service.charts.chartjs import configuration
from service.charts.picture import png

__all__ = ["configuration", "png"]
