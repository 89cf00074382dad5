"""The picture of permutation importance: by how much the loss rises if a column is exchanged."""

from collections.abc import Sequence

from service.charts.palette import BLACK, GRAY, SKY
from service.charts.picture import Bars, Panel, Picture, PictureAxis, axis_over, name_of
from service.charts.words import label, titled
from worker.results import ColumnImportance, PermutationImportance

PARTS = {"test": "test", "validation": "validation", "out_of_fold": "out-of-fold"}


def importance_picture(
    importance: PermutationImportance,
    *,
    most: int,
    winner: str,
    part: str,
    job_name: str,
    task: str | None,
) -> Picture:
    """Bars from 0, the most important column first, with 95 % intervals over rows.

    Args:
        importance: of the columns, the most important first.
        most: how many are drawn.
        winner: the name of the configuration that was asked.
        part: the rows that it was measured on.
        job_name: for the title.
        task: what is predicted.
    """
    shown = importance.columns[:most]
    intervals = [
        (float(x), one.low, one.high)
        for x, one in enumerate(shown)
        if one.low is not None and one.high is not None
    ]
    ends = [end for _, low, high in intervals for end in (low, high)]
    marks: list[Bars] = []
    for name, wanted, colour in (("clear", True, SKY), ("may be chance", False, GRAY)):
        rises = [
            (float(x), one.rise)
            for x, one in enumerate(shown)
            if _is_clear(one, importance) == wanted
        ]
        if rises:
            marks.append(_bars(name, rises, colour))
    if intervals:
        x, low, high = zip(*intervals, strict=True)
        marks.append(Bars("95 % interval", x, low, high, colour=BLACK, width=None))
    loss = label("loss", task)
    return Picture(
        title=titled("What each column is worth", job_name),
        note=_note(importance, shown, winner, part),
        x=PictureAxis("Column", names=tuple(name_of(one.column) for one in shown)),
        panels=(
            Panel(
                axis_over(
                    f"Rise of the {loss[0].lower()}{loss[1:]}",
                    [*(one.rise for one in shown), *ends],
                    zero=True,
                ),
                tuple(marks),
            ),
        ),
    )


def _is_clear(one: ColumnImportance, importance: PermutationImportance) -> bool:
    """Whether the rise is more than these rows would show by chance."""
    return one.rise > importance.noise if one.low is None else one.low > 0


def _bars(name: str, rises: Sequence[tuple[float, float]], colour: str) -> Bars:
    x = tuple(at for at, _ in rises)
    low = tuple(min(rise, 0.0) for _, rise in rises)
    high = tuple(max(rise, 0.0) for _, rise in rises)
    return Bars(name, x, low, high, colour=colour)


def _note(
    importance: PermutationImportance, shown: Sequence[ColumnImportance], winner: str, part: str
) -> str:
    count = importance.columns_count
    many = f"{len(shown)} of {count} columns" if len(shown) < count else f"{count} columns"
    return (
        f"{name_of(winner)}: {many}, each exchanged {importance.permutations} times among "
        f"{importance.rows:,} {PARTS.get(part, part)} rows. Columns that say the same stand in for "
        "each other, and each seems worth little."
    )
