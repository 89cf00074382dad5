"""A data set's rows with a model's answers, part by part; and the file that the parts become.

Imports torch: for trainer processes only.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from worker.data import Matching, Table, TableParts, harmless_table, output_columns
from worker.models import PLAIN, Answers, AnswerSettings, Scoring, TrainedModel, answer_columns
from worker.results import Metrics

BLOCK_ROWS = 4_096
"""Rows computed between two looks at whether to stop."""
ROWS, SCORES, TRUTH = "rows.parquet", "scores", "truth"
"""The files of a part; the last two where the data set has the target."""
Format = Literal["parquet", "csv"]
FILES: dict[Format, str] = {"parquet": "predictions.parquet", "csv": "predictions.csv"}
"""The result's file by its format."""


@dataclass(frozen=True, eq=False)
class ScoredPart:
    """Some rows, scored: P of them."""

    rows: pa.Table
    """The columns that are kept, then the answers."""
    scores: NDArray[np.float32] | None = None
    """``[P, O]``, where there is a truth."""
    truth: NDArray[Any] | None = None
    """``[P]``, as ``Target.values`` gives it."""

    def dump(self) -> Mapping[str, bytes]:
        """The part as files."""
        sink = io.BytesIO()
        pq.write_table(self.rows, sink)
        files = {ROWS: sink.getvalue()}
        if self.scores is not None and self.truth is not None:
            files |= {SCORES: self.scores.tobytes(), TRUTH: self.truth.tobytes()}
        return files

    @classmethod
    def load(cls, files: Mapping[str, bytes], model: TrainedModel) -> Self:
        """A part from its files."""
        rows = pq.read_table(io.BytesIO(files[ROWS]))
        if SCORES not in files:
            return cls(rows)
        kind = np.float64 if model.target.task == "regression" else np.int64
        scores = np.frombuffer(files[SCORES], dtype=np.float32).copy()
        return cls(
            rows,
            scores.reshape(rows.num_rows, -1),
            np.frombuffer(files[TRUTH], dtype=kind),
        )


class ScoredTable:
    """The rows of a table and a model that answers them. The parts may be asked for in any order;
    in ascending order the table is read once.
    """

    def __init__(
        self,
        model: TrainedModel,
        source: TableParts,
        *,
        keep: Sequence[str],
        part_rows: int,
        as_text: bool,
        on_block: Callable[[], None],
        settings: AnswerSettings = PLAIN,
    ) -> None:
        self._model, self._source = model, source
        self._keep, self._part_rows, self._as_text = keep, part_rows, as_text
        self._on_block, self._settings = on_block, settings
        self._matching = Matching.of(model.encoder.columns, source.columns)
        kinds = {column.name: column.kind for column in source.columns}
        self._has_truth = kinds.get(model.target.column, "image") != "image"
        read = {*keep, *(column.name for column in model.encoder.columns)}
        self._read = [*read, model.target.column] if self._has_truth else [*read]
        self._next = 0
        self._tables: Iterator[Table] | None = None

    def part(self, number: int) -> ScoredPart:
        """The rows of one part, scored."""
        tables, self._tables = self._tables, None
        if tables is None or number != self._next:
            tables = self._source.parts(self._read, self._part_rows, number)
        table = next(tables)
        self._tables, self._next = tables, number + 1  # not of one whose file could not be read
        features = self._model.encode(self._matching.apply(table))
        if self._settings.mc_samples:
            return ScoredPart(self._rows(table, self._sampled(features)))
        scores = np.concatenate(list(self._blocks(features)))
        answered = self._model.answer_scores(features, scores, self._settings)
        rows = self._rows(table, answered)
        if not self._has_truth:
            return ScoredPart(rows)
        return ScoredPart(rows, scores, self._model.target.values(table))

    def _rows(self, table: Table, answered: Answers) -> pa.Table:
        """The columns that are kept, then the answers."""
        kept = output_columns(table, self._keep, as_text=self._as_text)
        return pa.table({**kept, **answer_columns(answered, self._keep)})

    def _sampled(self, features: NDArray[np.float32]) -> Answers:
        """The mean of passes with dropout: the same masks for all rows, whatever the blocks."""
        size = max(1, BLOCK_ROWS // self._settings.mc_samples)
        parts = []
        for first in range(0, max(len(features), 1), size):
            parts.append(self._model.sample(features[first : first + size], self._settings))
            self._on_block()
        return Answers.joined(parts)

    def _blocks(self, features: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        for first in range(0, len(features), BLOCK_ROWS):
            yield self._model.forward(features[first : first + BLOCK_ROWS])
            self._on_block()


class ResultWriter:
    """Writes parts into one file, in order, and measures the answers where there is a truth."""

    def __init__(
        self,
        file: BinaryIO,
        kind: Format,
        model: TrainedModel,
        settings: AnswerSettings = PLAIN,
    ) -> None:
        self._file, self._kind, self._model, self._settings = file, kind, model, settings
        self._writer: pq.ParquetWriter | pc.CSVWriter | None = None
        self._scoring = Scoring(model.target)

    def add(self, part: ScoredPart) -> None:
        """Write the next part."""
        rows = part.rows if self._kind == "parquet" else harmless_table(part.rows)
        if self._writer is None:
            begin = pq.ParquetWriter if self._kind == "parquet" else pc.CSVWriter
            self._writer = begin(self._file, rows.schema)
        self._writer.write_table(rows)
        if part.scores is not None and part.truth is not None:
            told = self._model.scaled(part.scores, self._settings)
            self._scoring.add(told, self._model.read_scores(part.scores), part.truth)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()

    def metrics(self) -> Metrics | None:
        """How good the answers are; none if no row's truth is known."""
        return self._scoring.metrics()
