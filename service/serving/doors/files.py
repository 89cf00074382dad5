"""The door of files: rows in, the same rows with the answers' columns appended out.

Decisions:

* A file is read, answered and written a block of rows at a time, and has no bound on its size: what
  is held is a block, and what the client has not taken yet (`outbox.py`). Parquet alone, whose
  directory stands at its end, is kept whole in a temporary file, bounded as an upload is, and not
  read here: a reader (`service/reading`) writes its rows anew, as an Arrow file.
* Each block is checked before any of its answers is sent. What is wrong in the first ones, up to
  `outbox.HELD` bytes of answers, is answered by its own status; later on the status has been sent,
  and the connection is closed before the answer is complete, which every client notices. The log
  says why.
* A block waits for its turn like the request of another client; while there is too much to do, a
  file waits, since it is work for minutes anyway, and only its first block is refused.
* Of a client that has left nothing is kept, and no further block is computed.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.types import Receive, Scope, Send

from service.body_limit import FORM, media_type
from service.errors import (
    BusyError,
    domain_problem,
    internal_problem,
    invalid,
)
from service.reading.reader import Reader
from service.security.callers import caller_in
from service.serving.doors import file_outputs
from service.serving.doors.file_outputs import Appended, JsonOutput, Output, Scored
from service.serving.doors.file_request import (
    KINDS,
    FileFields,
    FileRequest,
    form_of,
)
from service.serving.encodings import Deflater, Inflater
from service.serving.engine import MOST_PASSES, ServingEngine
from service.serving.forms import FileForm
from service.serving.outbox import Outbox
from service.serving.residents import Resident
from service.threads import in_pool
from service.validation import Finding
from worker.caller import Caller
from worker.data import (
    DelimitedRows,
    Form,
    JsonRows,
    ParquetRows,
    RowBlock,
    RowReader,
)
from worker.errors import ParsimonyError
from worker.models import PLAIN, Answers
from worker.results import PredictionWarning
from worker.settings import ServiceSettings

PATH = re.compile(r"/v1/models/(?P<name>[^/]+)/predict")
log = logging.getLogger(__name__)

VERSION = re.compile(r"[0-9]{1,9}|[A-Za-z][A-Za-z0-9_.-]{0,63}")
FED = 2**18
"""Bytes of a file that are gathered before a thread looks at them."""
PATIENCE_SECONDS = 120.0
"""How long a block waits for its turn, behind the first one."""


class _GoneError(Exception):
    """The client has left."""


@dataclass
class _Body:
    """The body of a request, as the file that it holds."""

    receive: Receive
    inflater: Inflater | None
    form: FileForm | None
    whole: bool = False
    """Whether all of it has come."""

    async def pieces(self) -> AsyncIterator[bytes]:
        """The file, in pieces."""
        while not self.whole:
            message = await self.receive()
            if message["type"] != "http.request":
                raise _GoneError
            self.whole = not message.get("more_body", False)
            data = message.get("body", b"")
            for inflated in self.inflater.pieces(data) if self.inflater else (data,):
                for piece in self.form.pieces(inflated) if self.form else (inflated,):
                    yield piece
        if self.inflater:
            self.inflater.end()
        if self.form:
            self.form.end()


class FileDoor:
    """Answers files."""

    def __init__(self, engine: ServingEngine, settings: ServiceSettings, reader: Reader) -> None:
        self._engine, self._settings, self._files = engine, settings, reader

    @staticmethod
    def takes(content_type: bytes) -> bool:
        """Whether a body of this type is a file of rows."""
        kind = media_type(content_type.decode("latin-1"))
        return kind in KINDS or kind == FORM

    async def __call__(
        self, path: Mapping[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a request."""
        outbox = Outbox(self._settings.state, self._settings.max_upload_bytes)
        answer = _Answer(send, outbox)
        sending = asyncio.create_task(answer.send())
        caller = caller_in(scope)
        work = _Work(
            self._engine, self._settings, self._files, path["name"], caller, outbox, answer
        )
        problem: ParsimonyError | Exception | None = None
        try:
            await work.do(scope, receive)
            await sending
        except _GoneError:
            return
        except Exception as error:
            problem = error
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await sending
            outbox.close()
            work.close()
        if problem is None:
            return
        if isinstance(problem, ParsimonyError):
            work.failed()
            reply = domain_problem(problem)
            if answer.begun:
                log.warning("POST %s ended early: %s", scope["path"], problem.message)
        else:
            log.error("POST %s failed", scope["path"], exc_info=problem)
            reply = internal_problem()
        if not answer.begun:
            await reply(scope, receive, send)


class _Answer:
    """The answer of a request: its head, once that is known, and what comes through the outbox."""

    def __init__(self, send: Send, outbox: Outbox) -> None:
        self._send, self._outbox = send, outbox
        self.headers: list[tuple[bytes, bytes]] = []
        self.begun = False

    async def send(self) -> None:
        """Send all of it."""
        async for piece in self._outbox.pieces():
            await self._begin()
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._begin()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self) -> None:
        if not self.begun:
            self.begun = True
            await self._send(
                {"type": "http.response.start", "status": 200, "headers": self.headers}
            )


class _Work:
    """One request."""

    def __init__(
        self,
        engine: ServingEngine,
        settings: ServiceSettings,
        files: Reader,
        name: str,
        caller: Caller,
        outbox: Outbox,
        answer: _Answer,
    ) -> None:
        self._engine, self._settings, self._name = engine, settings, name
        self._caller = caller
        self._files = files
        self._outbox, self._answer = outbox, answer
        self._begun_ns = time.perf_counter_ns()
        self._read_ns = self._write_ns = 0
        self._rows = 0
        self._resident: Resident | None = None
        self._reader: RowReader | None = None
        self._output: Output | None = None
        self._asked = PLAIN
        self._gone: asyncio.Task[Any] | None = None

    async def do(self, scope: Scope, receive: Receive) -> None:
        """Read the file and fill the outbox.

        Raises:
            ParsimonyError: the request cannot be answered.
            _GoneError: the client has left.
        """
        request = FileRequest.of(scope["headers"], scope["query_string"])
        form = FileForm(request.content_type) if request.kind == FORM else None
        inflater = Inflater(request.coding) if request.coding else None
        body = _Body(receive, inflater, form)
        if form is None:
            await self._open(request, KINDS[request.kind], {})
        fed: list[bytes] = []
        size = 0
        async for piece in body.pieces():
            if self._reader is None and form is not None:
                await self._open(request, form_of(form.filename, form.content_type), form.fields)
            fed.append(piece)
            size += len(piece)
            if size >= FED:
                await self._advance(b"".join(fed), last=False)
                fed, size = [], 0
        if self._reader is None:  # A form whose file is empty.
            raise invalid([Finding("file", "is empty; give a header line and rows")])
        self._gone = asyncio.create_task(_left(receive))
        await self._advance(b"".join(fed), last=True)
        await self._outbox.put(await in_pool("answers", self._ended))
        await self._outbox.finish()
        resident = self._resident
        if resident is not None:
            taken = time.perf_counter_ns() - self._begun_ns
            resident.statistics.answered(self._rows, self._read_ns, self._write_ns, taken)

    def failed(self) -> None:
        """Count that it could not be answered."""
        if self._resident is not None:
            self._resident.statistics.failed(time.perf_counter_ns() - self._begun_ns)

    def close(self) -> None:
        """Let go of what is held."""
        if self._gone is not None:
            self._gone.cancel()
        if self._reader is not None:
            self._reader.close()

    async def _open(self, request: FileRequest, form: Form, fields: Mapping[str, str]) -> None:
        said = FileFields.of(request.fields, fields, form)
        if said.version is not None and not VERSION.fullmatch(said.version):
            raise invalid([Finding("version", "must be a version's number, or an alias")])
        resident = await self._engine.find(self._name, said.version, tenant=self._caller.tenant)
        model = resident.model
        target = model.target.column if said.score else None
        columns = model.encoder.columns
        reader: RowReader
        if form == "csv":
            reader = DelimitedRows(columns, said.reading, target=target)
        elif form == "ndjson":
            reader = JsonRows(partial(model.read, extra=True), target=target)
        else:
            reader = ParquetRows(
                columns,
                most_bytes=self._settings.max_upload_bytes,
                folder=self._settings.state,
                missing=said.reading.missing,
                target=target,
                rewritten=self._files.rows,
            )
        model.answerable.check(said.settings)
        resident.joiner.check()
        self._resident, self._reader = resident, reader
        self._asked = said.settings
        wanted = request.wanted(form)
        coding = "" if wanted == "parquet" else request.written_coding
        if said.score:
            self._output = Scored(resident, file_outputs.notation_of(resident, said))
            wanted = "json"
        elif wanted == "json":
            self._output = JsonOutput(resident)
        else:
            self._output = Appended(resident, reader, wanted)
        self._deflater = Deflater(coding) if coding else None
        self._answer.headers = file_outputs.head_of(resident, wanted, coding)

    async def _advance(self, data: bytes, *, last: bool) -> None:
        """Take more of the file, and answer the blocks that are whole."""
        resident, reader, output = self._resident, self._reader, self._output
        assert resident is not None
        assert reader is not None
        assert output is not None
        statistics = resident.statistics
        while True:
            begun = time.perf_counter_ns()
            read = await in_pool("answers", _read, resident, reader, data, last)
            self._read_ns += time.perf_counter_ns() - begun
            data = b""
            if read is None:
                return
            block, features, found = read
            if self._asked.mc_samples:
                written = await self._sampled(resident, output, block, features)
            else:
                scores = await self._scores(resident, features)
                begun = time.perf_counter_ns()
                written = await in_pool("answers", self._deflated, output, block, features, scores)
            self._write_ns += time.perf_counter_ns() - begun
            statistics.warn(len(block), found)
            self._rows += len(block)
            await self._outbox.put(written)
            if self._gone is not None and self._gone.done():
                raise _GoneError

    async def _scores(
        self, resident: Resident, features: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The scores of a block, when its turn comes."""
        until = time.monotonic() + PATIENCE_SECONDS
        pause = 0.05
        while True:
            try:
                return await resident.joiner.scores(features)
            except BusyError:
                if not self._rows or time.monotonic() > until:
                    raise
                await asyncio.sleep(pause)
                pause = min(1.0, 2 * pause)

    async def _sampled(
        self,
        resident: Resident,
        output: "Output",
        block: RowBlock,
        features: NDArray[np.float32],
    ) -> bytes:
        """A block by passes with dropout, some rows at a time, so that others have their turn."""
        size = max(1, MOST_PASSES // self._asked.mc_samples)
        parts = []
        for first in range(0, max(len(features), 1), size):
            some = features[first : first + size]
            parts.append(await in_pool("sampling", resident.model.sample, some, self._asked))
        answers = Answers.joined(parts)
        nothing = np.empty((len(block), 0), dtype=np.float32)  # no score stands behind a mean
        written = await in_pool("answers", output.write, block, nothing, answers)
        if self._deflater is None:
            return written
        return await in_pool("answers", self._deflater.piece, written)

    def _deflated(
        self,
        output: "Output",
        block: RowBlock,
        features: NDArray[np.float32],
        scores: NDArray[np.float32],
    ) -> bytes:
        assert self._resident is not None
        model = self._resident.model
        answers = model.answer_scores(features, scores, self._asked)
        written = output.write(block, model.scaled(scores, self._asked), answers)
        return self._deflater.piece(written) if self._deflater else written

    def _ended(self) -> bytes:
        assert self._output is not None
        written = self._output.end()
        if self._deflater is None:
            return written
        return self._deflater.piece(written) + self._deflater.end()


def _read(
    resident: Resident, reader: RowReader, data: bytes, last: bool
) -> tuple[RowBlock, NDArray[np.float32], list[PredictionWarning]] | None:
    """The next block with its features, and what is strange about it."""
    if data:
        reader.feed(data)
    block = reader.next(last=last)
    if block is None:
        return None
    model = resident.model
    return block, model.encode(block.records.table), model.surprises(block.records)


async def _left(receive: Receive) -> None:
    """Returns when the client has left; all of its request has come before."""
    while (await receive())["type"] == "http.request":
        pass
