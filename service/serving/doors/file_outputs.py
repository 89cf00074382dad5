"""What the answer to a file is made of: its rows with answers, answers alone, or how right they
are.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from urllib.parse import quote

import numpy as np
import orjson
from numpy.typing import NDArray

from service.serving.doors.file_request import WRITTEN, FileFields, Wanted
from service.serving.residents import Resident
from worker.data import (
    DelimitedRows,
    DelimitedWriter,
    JsonWriter,
    Notation,
    ParquetWriter,
    RowBlock,
    RowReader,
    RowWriter,
    is_known,
    true_values,
)
from worker.errors import DataError
from worker.models import AnswerRow, Answers, Scoring, answer_columns

MOST_IN_JSON = 100_000
"""Rows of an answer in JSON, which is held whole; as many as a request in JSON may have."""
MOST_SORTED = 1_000_000
"""Scores of a score that are kept, for the metrics that need all of them: what sorts them takes 100
bytes each. Of more rows there are the metrics that are sums."""


class Output(ABC):
    """What the answer is made of."""

    def __init__(self, resident: Resident) -> None:
        self._resident = resident

    @abstractmethod
    def write(self, block: RowBlock, scores: NDArray[np.float32], answers: Answers) -> bytes:
        """What follows of the answer, of a block, its scores ``[N, O]`` and what they say."""

    @abstractmethod
    def end(self) -> bytes:
        """What ends the answer."""

    def _json(self, content: Mapping[str, object]) -> bytes:
        resident = self._resident
        return orjson.dumps({**content, "model": resident.name, "version": resident.version})


class Appended(Output):
    """The rows, with the answers' columns appended."""

    def __init__(self, resident: Resident, reader: RowReader, wanted: Wanted) -> None:
        super().__init__(resident)
        self._reader, self._wanted = reader, wanted
        self._writer: RowWriter | None = None

    def write(self, block: RowBlock, scores: NDArray[np.float32], answers: Answers) -> bytes:
        """A block."""
        if self._writer is None:
            self._writer = self._opened()
        return self._writer.write(block.rows, answer_columns(answers, self._reader.names))

    def end(self) -> bytes:
        """What ends the answer."""
        return b"" if self._writer is None else self._writer.end()

    def _opened(self) -> RowWriter:
        if self._wanted == "ndjson":
            return JsonWriter()
        if self._wanted == "parquet":
            return ParquetWriter()
        layout = self._reader.layout if isinstance(self._reader, DelimitedRows) else None
        return DelimitedWriter(self._reader.names, layout)


class JsonOutput(Output):
    """The answer that a request of JSON has."""

    def __init__(self, resident: Resident) -> None:
        super().__init__(resident)
        self._predictions: list[AnswerRow] = []

    def write(self, block: RowBlock, scores: NDArray[np.float32], answers: Answers) -> bytes:
        """A block."""
        self._predictions += answers.rows()
        if len(self._predictions) > MOST_IN_JSON:
            raise DataError(
                f"An answer in JSON has at most {MOST_IN_JSON:,} rows, since it is held whole. Ask "
                "for the file's own form, by the header Accept or without one.",
                code="too_many_rows",
                param="Accept",
            )
        return b""

    def end(self) -> bytes:
        """What ends the answer."""
        return self._json({"predictions": self._predictions})


class Scored(Output):
    """How right the answers are."""

    def __init__(self, resident: Resident, notation: Notation | None) -> None:
        super().__init__(resident)
        self._notation = notation
        self._scoring = Scoring(resident.model.target, MOST_SORTED)
        self._rows = self._known = 0

    def write(self, block: RowBlock, scores: NDArray[np.float32], answers: Answers) -> bytes:
        """A block."""
        model = self._resident.model
        if block.target is None:
            raise DataError(
                f"The file lacks the target's column {model.target.column!r}, without which there "
                "is nothing to score. Add it, or leave `score` out.",
                code="missing_column",
                param="score",
            )
        truth = true_values(model.target, block.target, self._notation)
        self._rows += len(truth)
        self._known += int(is_known(model.target, truth).sum())
        self._scoring.add(scores, answers, truth)
        return b""

    def end(self) -> bytes:
        """What ends the answer."""
        metrics = self._scoring.metrics()
        if metrics is None:
            column = self._resident.model.target.column
            raise DataError(
                f"No row has a known value of the target {column!r}: there is nothing to score.",
                code="nothing_to_score",
                param="score",
            )
        return self._json({"rows": self._rows, "scored": self._known, "metrics": metrics})


def notation_of(resident: Resident, said: FileFields) -> Notation | None:
    """How numbers of the target are written: as is said, or as the model's other numbers are."""
    if said.reading.decimal is not None or said.reading.thousands is not None:
        decimal = said.reading.decimal or ("," if said.reading.thousands == "." else ".")
        return Notation(decimal=decimal, thousands=said.reading.thousands)
    others = (column.notation for column in resident.model.encoder.columns)
    found = next((notation for notation in others if notation and notation.decimal == ","), None)
    return None if found is None else found.model_copy(update={"unit": ""})


def head_of(resident: Resident, wanted: Wanted, coding: str) -> list[tuple[bytes, bytes]]:
    """The headers of an answer."""
    headers = [
        (b"content-type", WRITTEN[wanted].encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"vary", b"Accept, Accept-Encoding"),
        (b"parsimony-model", quote(resident.name, safe=" ").encode()),
        (b"parsimony-version", b"%d" % resident.version),
    ]
    if coding:
        headers.append((b"content-encoding", coding.encode()))
    return headers
