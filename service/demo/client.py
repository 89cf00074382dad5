"""What a user's program does with the service: post, poll, read. HTTP and nothing else."""

import time
from types import TracebackType
from typing import Any, Self

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from worker.errors import ParsimonyError
from worker.schema import Json

POLL_SECONDS = 0.2
DEADLINE_SECONDS = 300.0
ENDED = {"succeeded", "failed", "cancelled"}


class Client:
    """A session with one service. Every answer that is no success raises ``ParsimonyError``."""

    def __init__(self, url: str, console: Console) -> None:
        self.url = url
        self.console = console
        self._http = httpx.Client(base_url=url, timeout=30.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON at a path."""
        return self._checked(self._http.get(path, params=query)).json()

    def get_bytes(self, path: str) -> bytes:
        """The bytes at a path."""
        return self._checked(self._http.get(path)).content

    def post(self, path: str, body: Any) -> Any:
        """Post JSON, read JSON."""
        return self._checked(self._http.post(path, json=body)).json()

    def upload(self, name: str, table: bytes, target: str) -> Any:
        """Upload a CSV as a data set."""
        return self._checked(
            self._http.post(
                "/v1/datasets",
                files={"file": (f"{name}.csv", table, "text/csv")},
                data={"name": name, "target": target},
            )
        ).json()

    def train(self, spec: Json, title: str) -> Any:
        """Post a job and poll it, under a progress bar, until it succeeded."""
        job = self.post("/v1/jobs", spec)
        columns = (
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        deadline = time.monotonic() + DEADLINE_SECONDS
        with Progress(*columns, console=self.console) as bar:
            task = bar.add_task(title, total=1.0)
            while job["state"] not in ENDED:
                if time.monotonic() > deadline:
                    raise ParsimonyError(f"{job['id']} is still {job['state']}", code="timeout")
                time.sleep(POLL_SECONDS)
                job = self.get(f"/v1/jobs/{job['id']}")
                bar.update(task, completed=job["progress"]["fraction"])
            if job["state"] == "succeeded":
                bar.update(task, completed=1.0)
        if job["state"] != "succeeded":
            reason = (job["error"] or {}).get("message", "no reason was given")
            raise ParsimonyError(f"{job['id']} {job['state']}: {reason}", code="demo_failed")
        return job

    def trials(self, job: Any) -> list[Any]:
        """A job's trials in the order of its configurations."""
        listed = self.get(f"/v1/jobs/{job['id']}/trials", limit=1000)["data"]
        return sorted(listed, key=lambda trial: (trial["configuration"], trial["repeat"]))

    @staticmethod
    def _checked(response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        try:
            detail = response.json().get("detail", response.text)
        except ValueError:
            detail = response.text
        request = response.request
        raise ParsimonyError(
            f"{request.method} {request.url.path} answered {response.status_code}: {detail}",
            code="demo_failed",
        )
