"""The same client for an event loop: ``AsyncClient``, ``AsyncJob``, ``AsyncModel``."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
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
from parsimony.client import LOOK_SECONDS, PATIENCE, Dataset, address_of, registered
from parsimony.following import Followed
from parsimony.handles import (
    JobSnapshot,
    curve_rows,
    leaderboard_rows,
    reading_form,
    specification,
)
from parsimony.sending import AsyncConnection
from parsimony.tables import LINES, Frame, Rows, as_file, frame, like


class AsyncClient:
    """A service, by its address; ``Client`` has the same methods and describes them."""

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._connection = AsyncConnection(address_of(url, api_key, timeout, retries), transport)

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._connection.address.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def send(self, call: Call[Answer]) -> Answer:
        """Send one call of :mod:`parsimony.calls`."""
        return await self._connection.send(call)

    async def carry(self, talk: Talk[Result]) -> Result:
        """Send what a talk of :mod:`parsimony.calls` asks for."""
        return await self._connection.carry(talk)

    def lines(self, path: str) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """The lines of a stream of events; ``httpx.TransportError`` where there is none."""
        return self._connection.lines(path)

    async def upload(
        self,
        table: Rows,
        *,
        name: str | None = None,
        target: str | None = None,
        **reading: object,
    ) -> Dataset:
        """Store a table."""
        call = calls.upload(as_file(table), name=name, target=target, form=reading_form(reading))
        return Dataset(await self.send(call))

    async def train(self, dataset: str | Json | Dataset, **members: Any) -> "AsyncJob":
        """Post a job on a data set."""
        return await self.submit(specification(dataset, members))

    async def submit(self, spec: Json, *, idempotency_key: str | None = None) -> "AsyncJob":
        """Post a job's body as it is."""
        return AsyncJob(self, await self.send(calls.create_job(spec, key=idempotency_key)))

    async def validate(self, spec: Json) -> Json:
        """What a job would train and cost."""
        return await self.send(calls.validate(spec))

    async def job(self, job: str) -> "AsyncJob":
        """A job by its id, or ``latest``."""
        return AsyncJob(self, await self.send(calls.read_job(job)))

    async def jobs(self, *, state: str | None = None, limit: int = 20) -> list[BriefJob]:
        """The newest jobs, in short."""
        page = await self.send(calls.list_jobs(state=state, limit=limit))
        return page["data"]

    async def model(self, name: str, version: int | str | None = None) -> "AsyncModel":
        """A model by its name."""
        return AsyncModel(self, await self.send(calls.read_model(name)), version)

    async def system(self) -> SystemData:
        """How the installation is."""
        return await self.send(calls.read_system())


class AsyncJob(JobSnapshot):
    """A job; ``Job`` has the same methods and describes them."""

    def __init__(self, client: AsyncClient, data: JobData) -> None:
        super().__init__(data)
        self._client = client

    async def refresh(self) -> Self:
        """Read it again."""
        self.data = await self._client.send(calls.read_job(self.id))
        return self

    async def wait(
        self, timeout: float | None = None, *, seen: Callable[[JobData], None] | None = None
    ) -> Self:
        """Until it has succeeded; ``seen`` is told of each answer. No bar is drawn: an event loop
        may wait for many.
        """

        def told(data: JobData, metrics: MetricsData | None) -> None:
            self.data = data
            if seen is not None:
                seen(data)

        if timeout is None and self.data["state"] not in ENDED:
            await self._follow(told)
        self.data = await self._client.carry(
            calls.wait(
                self.id,
                clock=time.monotonic,
                timeout=timeout,
                seen=told,
                step=LOOK_SECONDS if seen is not None else calls.LONGEST_WAIT,
                patience=PATIENCE,
            )
        )
        error = success_of(self.data)
        if error is not None:
            raise error
        return self

    async def _follow(self, told: Callable[[JobData, MetricsData | None], None]) -> None:
        followed = Followed(self.data)
        with suppress(httpx.TransportError):
            async with self._client.lines(calls.stream_of(self.id)) as lines:
                async for line in lines:
                    if followed.read(line):
                        told(followed.data, None)
                    if followed.ended:
                        return

    async def leaderboard(self, limit: int | None = None) -> Frame:
        """Its trials, best first."""
        return frame(leaderboard_rows(await self._client.carry(calls.trials(self.id, limit))))

    async def curves(self, top: int = 10) -> Frame:
        """The metrics of its best trials, one row a trial and epoch."""
        return frame(curve_rows(await self._client.carry(calls.curves(self.id, top))))

    async def report(self) -> ReportData:
        """The verdict and the configurations, best first."""
        return await self._client.send(calls.read_report(self.id))

    async def report_page(self) -> str:
        """The report as one page of HTML."""
        return await self._client.send(calls.read_page(self.id))

    async def export(self, form: ExportForm = "csv", *, top: int = 100) -> bytes:
        """The curves of its best trials for another tool."""
        return await self._client.send(calls.read_export(self.id, form, top))

    async def log(self) -> list[EventData]:
        """What happened, oldest first."""
        return await self._client.carry(calls.events(self.id))

    async def model(self) -> "AsyncModel":
        """The model that its winner is."""
        name, version = registered(self)
        return await self._client.model(name, version)

    async def cancel(self) -> Self:
        """End it; what has finished of it is kept."""
        return await self._changed("cancel")

    async def pause(self) -> Self:
        """Let it stop at a checkpoint."""
        return await self._changed("pause")

    async def resume(self) -> Self:
        """Let it go on."""
        return await self._changed("resume")

    async def retry(self) -> "AsyncJob":
        """The same once more, as a new job."""
        return AsyncJob(self._client, await self._client.send(calls.change_job(self.id, "retry")))

    async def _changed(self, verb: str) -> Self:
        self.data = await self._client.send(calls.change_job(self.id, verb))
        return self


class AsyncModel:
    """A model that answers; ``Model`` describes it."""

    def __init__(
        self, client: AsyncClient, data: ModelData, version: int | str | None = None
    ) -> None:
        self._client, self.data, self.version = client, data, version

    @property
    def name(self) -> str:
        """Its name."""
        return self.data["name"]

    async def predict(self, rows: Rows) -> Frame:
        """The rows with the answers' columns appended."""
        file = as_file(rows, of_rows=LINES)
        return like(await self._client.send(calls.predict(self.name, self.version, file)), rows)
