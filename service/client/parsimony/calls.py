"""The requests of the service and how their answers are read, written once for both clients.

Nothing here sends. A :class:`Call` is one request as data. A *talk* is a generator that yields
calls, is given their answers, and returns what comes of them: ``Client`` and ``AsyncClient`` differ
only in who carries it.
"""

import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from parsimony.answers import (
    ENDED,
    DatasetData,
    EventData,
    EventPage,
    JobData,
    JobPage,
    Json,
    MetricsData,
    ModelData,
    ReportData,
    SystemData,
    TrialData,
    TrialPage,
)
from parsimony.errors import (
    AnswerError,
    JobCancelledError,
    JobFailedError,
    ParsimonyError,
    ServerError,
    UnreachableError,
    WaitTimeoutError,
)
from parsimony.tables import TableFile

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Query = Mapping[str, str | int]
LONGEST_WAIT = 30
"""Seconds that one request waits for a job's end."""
PAGE = 1000
"""Entries of a page: the most that the service gives."""


def _json(response: httpx.Response) -> Any:
    return response.json()


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One request.

    Attributes:
        read: the answer, of a response that is a success.
        repeatable: whether to send it twice is to send it once, so that it may be sent again when
            nobody knows what became of it.
        wait: seconds that the service may hold the answer back.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], Answer] = _json
    query: Query = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    content: bytes | None = None
    file: TableFile | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    wait: int = 0

    def request(self, http: httpx.Client | httpx.AsyncClient, timeout: float) -> httpx.Request:
        """The request, on the way to this client's address."""
        headers = dict(self.headers)
        if self.wait:
            headers["Prefer"] = f"wait={self.wait}"
        files = None
        if self.file is not None:
            files = {"file": (self.file.name, self.file.content, self.file.media_type)}
        return http.build_request(
            self.method,
            self.path,
            params=self.query or None,
            headers=headers,
            json=self.body,
            content=self.content,
            files=files,
            data=self.form or None,
            timeout=timeout + self.wait,
        )


Talk = Generator[Call[Any], Any, Result]
"""Calls, and what comes of them."""


def upload(
    file: TableFile, *, name: str | None, target: str | None, form: Mapping[str, str]
) -> Call[DatasetData]:
    """Store a table as a data set."""
    given = {"name": name, "target": target, **form}
    return Call(
        "POST",
        "/v1/datasets",
        file=file,
        form={key: value for key, value in given.items() if value is not None},
        repeatable=False,
    )


def create_job(spec: Json, *, key: str | None = None) -> Call[JobData]:
    """Post a job, once however often it is sent."""
    key = key or f"py-{uuid.uuid4()}"
    return Call("POST", "/v1/jobs", body=spec, headers={"Idempotency-Key": key})


def validate(spec: Json) -> Call[Json]:
    """Ask what a job would train and cost, without posting it."""
    return Call("POST", "/v1/jobs/validate", body=spec)


def read_job(job: str, *, wait: int = 0) -> Call[JobData]:
    """A job as it is, or as it is at its end or after so many seconds."""
    return Call("GET", f"/v1/jobs/{quote(job, '')}", wait=wait)


def change_job(job: str, verb: str) -> Call[JobData]:
    """Cancel, pause, resume or retry a job."""
    headers = {"Idempotency-Key": f"py-{uuid.uuid4()}"} if verb == "retry" else {}
    return Call("POST", f"/v1/jobs/{quote(job, '')}/{verb}", headers=headers)


def delete_job(job: str) -> Call[None]:
    """Delete a job that has ended."""
    return Call("DELETE", f"/v1/jobs/{quote(job, '')}", read=lambda response: None)


def list_jobs(*, state: str | None = None, limit: int = 20) -> Call[JobPage]:
    """The newest jobs."""
    query: dict[str, str | int] = {"limit": limit}
    return Call("GET", "/v1/jobs", query=query if state is None else {**query, "state": state})


def read_report(job: str) -> Call[ReportData]:
    """The verdict and the configurations."""
    return Call("GET", f"/v1/jobs/{quote(job, '')}/report")


def read_text(path: str, **query: str) -> Call[str]:
    """A text of the service, such as the report as Markdown."""
    return Call("GET", path, read=lambda response: response.text, query=query)


def read_bytes(path: str, **query: str | int) -> Call[bytes]:
    """A file of the service, such as a picture."""
    return Call("GET", path, read=lambda response: response.content, query=query)


def read_page(job: str) -> Call[str]:
    """The report as one page of HTML."""
    return read_text(f"/v1/jobs/{quote(job, '')}/report.html")


def read_export(job: str, form: str, top: int) -> Call[bytes]:
    """The curves of the best trials for another tool."""
    return read_bytes(f"/v1/jobs/{quote(job, '')}/export", format=form, top=top)


def stream_of(job: str) -> str:
    """Where a job's events are."""
    return f"/v1/jobs/{quote(job, '')}/events"


def read_metrics(job: str, trial: str | None = None) -> Call[MetricsData]:
    """The curves of a trial, the best unless given."""
    query = {} if trial is None else {"trial": trial}
    return Call("GET", f"/v1/jobs/{quote(job, '')}/metrics", query=query)


def read_model(name: str) -> Call[ModelData]:
    """A model, with its versions."""
    return Call("GET", f"/v1/models/{quote(name, '')}")


def predict(
    name: str, version: int | str | None, file: TableFile, missing: str | None = None
) -> Call[bytes]:
    """A file of rows; it comes back with the answers' columns appended."""
    given = {"version": version, "missing": missing}
    return Call(
        "POST",
        f"/v1/models/{quote(name, '')}/predict",
        read=lambda response: response.content,
        query={key: value for key, value in given.items() if value is not None},
        headers={"Content-Type": file.media_type},
        content=file.content,
    )


def read_system() -> Call[SystemData]:
    """How the installation is."""
    return Call("GET", "/v1/system")


def trials(job: str, limit: int | None) -> Talk[list[TrialData]]:
    """The leaderboard, best first, page by page."""
    rows: list[TrialData] = []
    while True:
        most = PAGE if limit is None else min(PAGE, limit - len(rows))
        query: dict[str, str | int] = {"limit": most}
        if rows:
            query["after"] = rows[-1]["id"]
        page: TrialPage = yield Call("GET", f"/v1/jobs/{quote(job, '')}/trials", query=query)
        rows += page["data"]
        if not page["has_more"] or (limit is not None and len(rows) >= limit):
            return rows


def events(job: str, after: int = 0) -> Talk[list[EventData]]:
    """The log after an event, oldest first."""
    lines: list[EventData] = []
    while True:
        query = {"limit": PAGE, "after": lines[-1]["id"] if lines else after}
        page: EventPage = yield Call("GET", f"/v1/jobs/{quote(job, '')}/events", query=query)
        lines += page["data"]
        if not page["has_more"]:
            return lines


def curves(job: str, top: int) -> Talk[list[tuple[TrialData, MetricsData]]]:
    """The curves of the best trials."""
    best = yield from trials(job, top)
    pairs = []
    for trial in best:
        metrics: MetricsData = yield read_metrics(job, trial["id"])
        pairs.append((trial, metrics))
    return pairs


Seen = Callable[[JobData, MetricsData | None], None]
"""Told of a job as it moves, with the curves of its best trial where these are asked for."""


def wait(
    job: str,
    *,
    clock: Callable[[], float],
    timeout: float | None,
    seen: Seen | None = None,
    step: int = LONGEST_WAIT,
    losses: bool = False,
    patience: float = 0.0,
) -> Talk[JobData]:
    """Until the job has ended, in whatever way.

    Args:
        job: its id.
        clock: seconds that only grow.
        timeout: seconds after which it is waited for no longer; none for any time.
        seen: told of each answer.
        step: seconds that one request waits at most.
        losses: whether ``seen`` gets the curves too.
        patience: seconds for which nobody need answer: a service that starts again is waited for.

    Raises:
        WaitTimeoutError: the time is over.
    """
    began = last = clock()
    pause = 0
    while True:
        if timeout is not None:
            pause = _within(pause, timeout - (clock() - began))
        try:
            data: JobData = yield read_job(job, wait=pause)
        except (UnreachableError, ServerError):
            if clock() - last >= patience:
                raise
            continue
        last, pause = clock(), step
        metrics = None
        if losses and data["progress"]["epoch"]:
            metrics = yield from metrics_of(job)
        if seen is not None:
            seen(data, metrics)
        if data["state"] in ENDED:
            return data
        if timeout is not None and clock() - began >= timeout:
            raise WaitTimeoutError(job, data["state"], timeout)


def _within(pause: int, left: float) -> int:
    return max(0, min(pause, int(left) + 1))


def metrics_of(job: str) -> Talk[MetricsData | None]:
    """The curves of the best trial, if there are any by now."""
    try:
        metrics: MetricsData = yield read_metrics(job)
    except AnswerError:
        return None  # there is no trial yet, or its job has gone
    return metrics


def success_of(data: JobData) -> ParsimonyError | None:
    """The error of a job that has ended without success."""
    if data["state"] == "cancelled":
        return JobCancelledError(data["id"], f"{data['id']} was cancelled", code="job_cancelled")
    if data["state"] == "failed":
        failure = data["error"]
        if failure is None:
            return JobFailedError(data["id"], f"{data['id']} failed")
        return JobFailedError(
            data["id"],
            f"{data['id']} failed: {failure['message']}",
            code=failure["code"],
            param=failure.get("param"),
        )
    return None
