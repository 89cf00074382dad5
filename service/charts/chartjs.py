"""A Chart.js configuration."""

from collections.abc import Sequence

from service.charts.palette import colour, pale
from service.comparison import Line
from service.schemas.results import Chart, ChartData


def configuration(lines: Sequence[Line], *, title: str, label: str) -> Chart:
    """A line chart over epochs. Lines are straight between points: curves would invent values."""
    epochs = max((len(line.values) for line in lines), default=0)
    return Chart(
        data=ChartData(
            labels=list(range(1, epochs + 1)),
            datasets=[
                {
                    "label": line.name,
                    "data": line.values,
                    "borderColor": colour(number),
                    "backgroundColor": pale(number),
                    "fill": False,
                    "tension": 0,
                }
                for number, line in enumerate(lines)
            ],
        ),
        options={
            "scales": {
                "x": {"title": {"display": True, "text": "Epoch"}},
                "y": {"title": {"display": True, "text": label}, "beginAtZero": True},
            },
            "plugins": {"title": {"display": True, "text": title}},
        },
    )
