"""The application. Nothing happens when this module is imported."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version

from fastapi import Depends, FastAPI
from starlette.types import Receive, Scope, Send

from service import docs, error_handlers, openapi
from service.body_limit import BodyLimit
from service.conventions import Conventions, only_known_parameters
from service.dependencies import Services
from service.estimate import Estimator
from service.exporter import Exporter
from service.live import Feeds
from service.model_files import ModelFiles
from service.notifier import ChangeNotifier
from service.readiness import Readiness
from service.reading.reader import Reader
from service.routes import operations
from service.security.auditor import Auditor
from service.security.gate import Gate
from service.security.key_ring import KeyRing
from service.security.rates import Rates
from service.serving.doors import open_doors, open_streams
from service.serving.engine import ServingEngine
from service.serving.express import Express
from service.serving.front import Front, RequestIds
from service.telemetry.board import Board
from service.telemetry.requests import Requests, Watched
from service.telemetry.telemetry import Telemetry
from service.threads import one_thread_a_call
from service.web import add_guide, add_pages
from worker.jobs import JobIntake, JobRows, PredictionIntake, TableCache
from worker.runtime.collector import Collector
from worker.runtime.doorbell import Doorbell
from worker.runtime.reconciler import Reconciler
from worker.runtime.webhook_sender import WebhookSender
from worker.settings import ServiceSettings
from worker.storage import schema
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.limits import SERVICE

log = logging.getLogger(__name__)

STORE_SECONDS = 1.5
"""How long a request waits for an object store before it is refused; a worker waits longer."""


class Application(FastAPI):
    """FastAPI, with the front before its middleware: a request that a door answers meets none."""

    watched: Watched
    """The front, and what is counted of its answers."""
    express: Express
    """What connections ask before they ask the application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the front, or by what is behind it."""
        await self.watched(scope, receive, send)

    def begin_to_stop(self) -> None:
        """Be unready from now on, and let nobody wait for what takes long. On the event loop."""
        services: Services = self.state.services
        services.stopping.set()
        self.express.is_stopping = True
        services.notifier.wake()
        services.feeds.stop()

    async def behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the operations."""
        await super().__call__(scope, receive, send)


def create_app(settings: ServiceSettings | None = None, board: Board | None = None) -> Application:
    """The HTTP service. It opens its database when it is started, not before.

    ``board`` is where several that answer on one port show what they have measured.
    """
    settings = settings or ServiceSettings()
    requests = Requests()
    app = Application(
        title="Parsimony",
        version=installed_version(),
        lifespan=_lifespan(settings, requests, board or Board()),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(only_known_parameters)],  # of the pages; an operation has its own
    )
    app.add_middleware(
        BodyLimit, upload_path="/v1/datasets", upload_bytes=settings.max_upload_bytes
    )
    app.add_middleware(Conventions)
    ids = RequestIds()
    front = Front(app.behind, app.state, open_doors=open_doors, open_streams=open_streams, ids=ids)
    app.watched = Watched(front, requests)
    app.express = Express(app.state, ids, requests)
    error_handlers.add_error_handlers(app)
    # Not `include_router`, which makes each route again for what the application adds: nothing.
    app.router.routes += (answers := operations())
    app.state.exact_paths = [
        (route.path, set(route.methods or ())) for route in answers if "{" not in route.path
    ]
    if settings.docs:
        docs.add_documentation(app)
        add_guide(app)
    add_pages(app)
    openapi.add_openapi(app)
    return app


def installed_version() -> str:
    """The installed release; `0` in a source tree that is not installed."""
    try:
        return version("parsimony")
    except PackageNotFoundError:
        return "0"


def _lifespan(
    settings: ServiceSettings, requests: Requests, board: Board
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings.prepare_state()
        database = Database(settings.database_url, SERVICE)
        try:
            await asyncio.to_thread(schema.make_ready, database)
            ring = KeyRing(database, settings.key_outage_seconds)
            services = _services(settings, database, ring, requests, board)
            app.state.services = services
            async with _at_work(services, ring, WebhookSender(settings, database)):
                log.info("serving from %s", settings.state)
                with one_thread_a_call():
                    yield
        finally:
            database.close()

    return lifespan


def _services(
    settings: ServiceSettings, database: Database, ring: KeyRing, requests: Requests, board: Board
) -> Services:
    """What the operations work with; nothing of it runs yet."""
    artefacts = Artefacts(settings.artefacts_url, seconds=STORE_SECONDS)
    notifier = ChangeNotifier(database)
    reader = Reader(settings)
    tables = TableCache(database, artefacts, reader=reader)
    reconciler = Reconciler(settings, database, Doorbell(settings))
    serving = ServingEngine(settings, database, artefacts)
    return Services(
        settings=settings,
        database=database,
        gate=Gate(settings, ring),
        rates=Rates(settings),
        auditor=Auditor(database),
        artefacts=artefacts,
        reconciler=reconciler,
        collector=Collector(settings, database, artefacts),
        notifier=notifier,
        feeds=Feeds(database, notifier),
        readiness=Readiness(settings, database, artefacts, reconciler.silence),
        reader=reader,
        tables=tables,
        intake=JobIntake(settings, database, tables),
        rows=JobRows(database, artefacts, tables),
        predictions=PredictionIntake(database, artefacts, tables, settings.shares),
        serving=serving,
        estimator=Estimator(settings),
        exporter=Exporter(database, artefacts),
        model_files=ModelFiles(artefacts),
        stopping=threading.Event(),
        telemetry=Telemetry(
            requests, database, serving.residents, release=installed_version(), board=board
        ),
    )


@asynccontextmanager
async def _at_work(services: Services, ring: KeyRing, sender: WebhookSender) -> AsyncIterator[None]:
    """All that runs beside the requests: started in this order, and stopped."""
    await services.serving.start()
    await ring.start()
    services.reader.start()
    services.reconciler.start()
    services.readiness.start()
    services.collector.start()
    sender.start()
    services.telemetry.start()
    polling = [
        asyncio.create_task(services.notifier.run(), name="notifier"),
        asyncio.create_task(services.feeds.run(), name="feeds"),
    ]
    try:
        yield
    finally:
        services.telemetry.stop()
        services.feeds.stop()
        for task in polling:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(services.readiness.stop)
        await asyncio.to_thread(services.reconciler.stop)
        await asyncio.to_thread(services.collector.stop)
        await asyncio.to_thread(services.reader.close)
        await asyncio.to_thread(sender.stop)
        await services.serving.stop()
        await ring.stop()
