"""Pictures of what came of a job: one description of each, and the forms that it is drawn in."""

from service.charts.chartjs import chartjs
from service.charts.kinds import PartName, Wanted, picture_of
from service.charts.picture import Picture, PictureKind

__all__ = ["PartName", "Picture", "PictureKind", "Wanted", "chartjs", "picture_of"]
