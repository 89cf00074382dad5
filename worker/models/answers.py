"""Answers: what a model says of N rows, by column, before they become JSON, tensors or a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data import Target
from worker.results import Prediction

AnswerRow = dict[str, str | int | float | dict[str, float] | list[float] | list[str]]
"""One row's answer as JSON has it: a label or a value, and by class what is said of each."""


@dataclass(frozen=True)
class AnswerSettings:
    """How rows are to be answered, beside the plain answer in eval mode."""

    mc_samples: int = 0
    """Passes with dropout switched on, whose mean answers and whose spread is told; 0 for none."""
    seed: int = 0
    """Of their masks."""
    calibrated: bool = False
    """Whether probabilities are those of scores divided by the model's temperature."""
    coverage: float | None = None
    """In how much of the rows the truth is to lie in the interval or set; none for neither."""
    members: bool = False
    """Whether it is told how far the networks of an ensemble differ."""

    @property
    def plain(self) -> bool:
        """Whether nothing beside the plain answer is asked for."""
        return not (self.mc_samples or self.calibrated or self.coverage is not None or self.members)


PLAIN = AnswerSettings()


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says of N rows. Classification has `probabilities` and `best`, regression has
    `values`.
    """

    target: Target
    probabilities: NDArray[np.float32] | None = None
    """[N, C], in the order of the target's classes."""
    best: NDArray[np.int64] | None = None
    """[N]: the number of the class that is answered."""
    values: NDArray[np.float64] | None = None
    """[N], in the target's own unit."""
    further: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """[N, …] each: what further was asked for, such as the deviation over passes with dropout."""
    interval: NDArray[np.float64] | None = None
    """[N, 2]: the ends of a regression's interval, where a coverage was asked for."""
    sets: NDArray[np.bool_] | None = None
    """[N, C]: whether each class is in the row's set, where a coverage was asked for."""

    def __len__(self) -> int:
        filled = self.values if self.best is None else self.best
        return 0 if filled is None else len(filled)

    @classmethod
    def joined(cls, parts: "Sequence[Answers]") -> "Answers":
        """Answers to rows that follow each other, of at least one part."""
        first = parts[0]
        if len(parts) == 1:
            return first

        def column(name: str) -> Any:
            columns = [getattr(part, name) for part in parts]
            return None if columns[0] is None else np.concatenate(columns)

        further = {name: np.concatenate([p.further[name] for p in parts]) for name in first.further}
        names = ("probabilities", "best", "values", "interval", "sets")
        return cls(first.target, further=further, **{name: column(name) for name in names})

    def part(self, rows: slice) -> "Answers":
        """The answers of some of the rows."""
        return Answers(
            self.target,
            None if self.probabilities is None else self.probabilities[rows],
            None if self.best is None else self.best[rows],
            None if self.values is None else self.values[rows],
            {name: column[rows] for name, column in self.further.items()},
            None if self.interval is None else self.interval[rows],
            None if self.sets is None else self.sets[rows],
        )

    def rows(self) -> Iterator[AnswerRow]:
        """Each row's answer with the members of `Prediction`, for JSON."""
        if not self.further and self.interval is None and self.sets is None:
            yield from self._plain_rows()
            return
        classes = self.target.classes
        intervals = None if self.interval is None else self.interval.tolist()
        sets = None if self.sets is None else self.sets.tolist()
        columns = {name: column.tolist() for name, column in self.further.items()}
        for number, answer in enumerate(self._plain_rows()):
            for name, column in columns.items():
                one = column[number]
                answer[name] = dict(zip(classes, one, strict=True)) if type(one) is list else one
            if intervals is not None:
                answer["interval"] = intervals[number]
            if sets is not None:
                answer["prediction_set"] = [
                    name for name, inside in zip(classes, sets[number], strict=True) if inside
                ]
            yield answer

    def _plain_rows(self) -> Iterator[AnswerRow]:
        if self.values is not None:
            yield from ({"value": value} for value in self.values.tolist())
            return
        if self.probabilities is None or self.best is None:
            return
        classes, numbers = self.target.classes, self.target.whole_numbers
        for best, row in zip(self.best.tolist(), self.probabilities.tolist(), strict=True):
            answer: AnswerRow = {
                "label": classes[best],
                "probabilities": dict(zip(classes, row, strict=True)),
            }
            if numbers is not None:
                answer["value"] = numbers[best]
            yield answer

    def predictions(self) -> list[Prediction]:
        """One a row: classification sets ``label`` and ``probabilities``, and ``value`` where its
        classes are whole numbers; regression ``value``.
        """
        return [Prediction.model_validate(row) for row in self.rows()]
