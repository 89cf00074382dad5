"""A client of the application in this process: real database, real files, no sockets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from service.app import Application, create_app
from service.dependencies import Services
from tests.databases import new_file
from worker.settings import ServiceSettings


class Client:
    """Requests from a thread to the application, which runs in a loop of its own."""

    def __init__(self, app: Application, portal: BlockingPortal, http: httpx.AsyncClient) -> None:
        self.app = app
        self.portal = portal
        self.http = http

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            return await self.http.request(method, path, **options)

        return self.portal.call(send)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    def upload(self, csv: str, **form: str) -> httpx.Response:
        return self.post("/v1/datasets", files={"file": ("data.csv", csv.encode())}, data=form)


@contextmanager
def running(settings: ServiceSettings) -> Iterator[Client]:
    """Start the application, and stop it. A new state gets a schema that is made already."""
    database = settings.state / "parsimony.db"
    if settings.database_url == f"sqlite:///{database}" and not database.exists():
        new_file(database.parent, database.name)
    app = create_app(settings)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        http = httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30)
        yield Client(app, portal, http)
        portal.call(http.aclose)
