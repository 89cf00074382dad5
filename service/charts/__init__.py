"""Charts of a job's results: one description of each, drawn in several forms.

The description:

``picture``                              axes, series, labels: what every form is drawn from
``kinds``                                which pictures a job has, and their data. The page to begin
                                         with
``curves, surface, path``                learning curves; a search over two fields; a path over λ
``attribution, importance, classifier``  what each technique brought; permutation importance; ROC,
                                         confusion, calibration
``words, palette``                       titles and units; colours that everybody can tell apart

The forms:

``chartjs``                              a configuration of Chart.js
``drawing``                              PNG and SVG
"""

from service.charts.chartjs import chartjs
from service.charts.kinds import PartName, Wanted, picture_of
from service.charts.picture import Picture, PictureKind

__all__ = ["PartName", "Picture", "PictureKind", "Wanted", "chartjs", "picture_of"]
