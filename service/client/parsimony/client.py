"""The client of a program that waits for its answers: ``Client``, ``Job``, ``Model``."""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import Any, Self

import httpx

from parsimony import calls
from parsimony.answers import (
    ENDED,
    BriefJob,
    EventData,
    ExportForm,
    JobData,
    Json,
    MetricsData,
    ModelData,
    ReportData,
    SystemData,
)
from parsimony.calls import Answer, Call, Result, Talk, success_of
from parsimony.errors import ParsimonyError
from parsimony.following import Followed
from parsimony.handles import (
    DatasetSnapshot,
    JobSnapshot,
    curve_rows,
    leaderboard_rows,
    reading_form,
    specification,
)
from parsimony.sending import Address, Connection, Retries
from parsimony.tables import LINES, Frame, Rows, as_file, frame, like

DEFAULT_URL = "http://127.0.0.1:8000"
PATIENCE = 60.0
"""Seconds for which a job is waited for while nobody answers: a service that starts again."""
LOOK_SECONDS = 1
"""Seconds between two looks at a job whose bar is drawn."""


def address_of(url: str | None, api_key: str | None, timeout: float, retries: int) -> Address:
    """What was given, else PARSIMONY_URL and PARSIMONY_API_KEY, else this machine without a key."""
    address = (url or os.environ.get("PARSIMONY_URL") or DEFAULT_URL).rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise ParsimonyError(
            f"{address} is no address; it begins with http:// or https://", code="bad_url"
        )
    key = api_key or os.environ.get("PARSIMONY_API_KEY") or None
    return Address(address, key, timeout, Retries(most=retries))


class Client:
    """A service, by its address.

    Args:
        url: of the service; ``PARSIMONY_URL`` unless given, else this machine's port 8000.
        api_key: sent as Bearer; ``PARSIMONY_API_KEY`` unless given.
        timeout: seconds that an answer may take, beside what is waited for on purpose.
        retries: how often a request is sent again that may be answered another time.
        transport: of httpx, in place of its own.

    Raises:
        ParsimonyError: by each method; :mod:`parsimony.errors` has the tree.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._connection = Connection(address_of(url, api_key, timeout, retries), transport)

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._connection.address.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def send(self, call: Call[Answer]) -> Answer:
        """Send one call of :mod:`parsimony.calls`."""
        return self._connection.send(call)

    def carry(self, talk: Talk[Result]) -> Result:
        """Send what a talk of :mod:`parsimony.calls` asks for."""
        return self._connection.carry(talk)

    def lines(self, path: str) -> AbstractContextManager[Iterator[str]]:
        """The lines of a stream of events; ``httpx.TransportError`` where there is none."""
        return self._connection.lines(path)

    def upload(
        self,
        table: Rows,
        *,
        name: str | None = None,
        target: str | None = None,
        **reading: object,
    ) -> "Dataset":
        """Store a table: a pandas or polars DataFrame, a list of dicts, or the path of a file.

        Args:
            table: it.
            name: a label for people; the file's name unless given.
            target: the column that jobs predict unless they name one.
            reading: what overrules how it is read: ``columns={"zip": "categorical"}``, ``decimal``,
                ``thousands``, ``missing``, ``separator``, ``header``, ``encoding``.
        """
        call = calls.upload(as_file(table), name=name, target=target, form=reading_form(reading))
        return Dataset(self.send(call))

    def train(self, dataset: "str | Json | Dataset", **members: Any) -> "Job":
        """Post a job on a data set: its handle, its id, or the name of a built-in one.

        Args:
            dataset: it.
            members: of the job's body, as ``POST /v1/jobs`` documents them: ``network``,
                ``regularization``, ``training``, ``compare``, ``search``, ``split``, ``model``, …
        """
        return self.submit(specification(dataset, members))

    def submit(self, spec: Json, *, idempotency_key: str | None = None) -> "Job":
        """Post a job's body as it is, once however often it is sent."""
        return Job(self, self.send(calls.create_job(spec, key=idempotency_key)))

    def validate(self, spec: Json) -> Json:
        """What a job would train and cost, and what is worth knowing before it is posted."""
        return self.send(calls.validate(spec))

    def job(self, job: str) -> "Job":
        """A job by its id, or ``latest``."""
        return Job(self, self.send(calls.read_job(job)))

    def jobs(self, *, state: str | None = None, limit: int = 20) -> list[BriefJob]:
        """The newest jobs, in short."""
        return self.send(calls.list_jobs(state=state, limit=limit))["data"]

    def model(self, name: str, version: int | str | None = None) -> "Model":
        """A model by its name; a version's number or an alias, the newest unless given."""
        return Model(self, self.send(calls.read_model(name)), version)

    def system(self) -> SystemData:
        """How the installation is."""
        return self.send(calls.read_system())


class Dataset(DatasetSnapshot):
    """An uploaded table: give it to ``Client.train``."""


class Job(JobSnapshot):
    """A job: waited for, read, changed."""

    def __init__(self, client: Client, data: JobData) -> None:
        super().__init__(data)
        self._client = client

    def refresh(self) -> Self:
        """Read it again."""
        self.data = self._client.send(calls.read_job(self.id))
        return self

    def wait(
        self,
        timeout: float | None = None,
        *,
        progress: bool | None = None,
        seen: Callable[[JobData], None] | None = None,
    ) -> Self:
        """Until it has succeeded, under a bar where somebody looks.

        Args:
            timeout: seconds to wait at most; any time unless given.
            progress: whether a bar is drawn; on a terminal and in a notebook unless given.
            seen: told of each answer.

        Raises:
            JobFailedError, JobCancelledError: it has ended otherwise.
            WaitTimeoutError: the time is over; it goes on.
        """
        from parsimony.progress import JobBar, can_be_drawn

        draws = can_be_drawn() if progress is None else progress
        with JobBar() if draws else nullcontext() as bar:

            def told(data: JobData, metrics: MetricsData | None) -> None:
                self.data = data
                if bar is not None:
                    bar.show(data, metrics)
                if seen is not None:
                    seen(data)

            if timeout is None and self.data["state"] not in ENDED:
                self._follow(told, losses=draws)
            self.data = self._client.carry(
                calls.wait(
                    self.id,
                    clock=time.monotonic,
                    timeout=timeout,
                    seen=told,
                    step=LOOK_SECONDS if draws or seen is not None else calls.LONGEST_WAIT,
                    losses=draws,
                    patience=PATIENCE,
                )
            )
        error = success_of(self.data)
        if error is not None:
            raise error
        return self

    def _follow(self, told: Callable[[JobData, MetricsData | None], None], *, losses: bool) -> None:
        """Hear of it by its stream, as long as there is one: then it is asked for."""
        followed, looked = Followed(self.data), -math.inf
        metrics: MetricsData | None = None
        with suppress(httpx.TransportError), self._client.lines(calls.stream_of(self.id)) as lines:
            for data in followed.news(lines):
                if (
                    losses
                    and data["progress"]["epoch"]
                    and time.monotonic() > looked + LOOK_SECONDS
                ):
                    looked = time.monotonic()
                    metrics = self._client.carry(calls.metrics_of(self.id))
                told(data, metrics)

    def leaderboard(self, limit: int | None = None) -> Frame:
        """Its trials, best first: a data frame where pandas or polars is installed, else dicts."""
        return frame(leaderboard_rows(self._client.carry(calls.trials(self.id, limit))))

    def curves(self, top: int = 10) -> Frame:
        """The metrics of its best trials, one row a trial and epoch."""
        return frame(curve_rows(self._client.carry(calls.curves(self.id, top))))

    @property
    def report(self) -> ReportData:
        """The verdict and the configurations, best first."""
        return self._client.send(calls.read_report(self.id))

    def report_page(self) -> str:
        """The report as one page of HTML that refers to nothing outside of itself."""
        return self._client.send(calls.read_page(self.id))

    def export(self, form: ExportForm = "csv", *, top: int = 100) -> bytes:
        """The curves of its best trials for another tool: a CSV, or a zip of TensorBoard's event
        files or of MLflow's folder of runs.
        """
        return self._client.send(calls.read_export(self.id, form, top))

    def log(self) -> list[EventData]:
        """What happened, oldest first."""
        return self._client.carry(calls.events(self.id))

    @property
    def model(self) -> "Model":
        """The model that its winner is.

        Raises:
            ParsimonyError: it names none, or has not succeeded.
        """
        name = registered(self)
        return self._client.model(name[0], name[1])

    def cancel(self) -> Self:
        """End it; what has finished of it is kept."""
        return self._changed("cancel")

    def pause(self) -> Self:
        """Let it stop at a checkpoint."""
        return self._changed("pause")

    def resume(self) -> Self:
        """Let it go on."""
        return self._changed("resume")

    def retry(self) -> "Job":
        """The same once more, as a new job."""
        return Job(self._client, self._client.send(calls.change_job(self.id, "retry")))

    def _changed(self, verb: str) -> Self:
        self.data = self._client.send(calls.change_job(self.id, verb))
        return self


def registered(job: JobSnapshot) -> tuple[str, int]:
    """The name and the version of the model that a job made."""
    name = job.model_name
    if name is None:
        raise ParsimonyError(
            f'{job.id} registers no model; give it model="a name"', code="no_model", param="model"
        )
    if name["version"] is None:
        raise ParsimonyError(
            f"{job.id} is {job.state} and has made no version of {name['name']}", code="no_model"
        )
    return name["name"], name["version"]


class Model:
    """A model that answers.

    Attributes:
        data: the service's answer, whole.
        version: that which answers: a number, an alias, or none for the newest.
    """

    def __init__(self, client: Client, data: ModelData, version: int | str | None = None) -> None:
        self._client, self.data, self.version = client, data, version

    @property
    def name(self) -> str:
        """Its name."""
        return self.data["name"]

    def predict(self, rows: Rows) -> Frame:
        """The rows with the answers' columns appended: ``prediction``, and of classes their
        probabilities.

        A data frame comes back as one, a list of dicts as one, a file's path as the bytes of a file
        of the same form.
        """
        file = as_file(rows, of_rows=LINES)
        return like(self._client.send(calls.predict(self.name, self.version, file)), rows)

    def __repr__(self) -> str:
        version = self.version if self.version is not None else self.data["latest"]
        return f"<{type(self).__name__} {self.name}, version {version}>"
