"""What the commands start: HTTP in this process or in several, alone or with everything it needs.

A socket first, then servers on it, then the announcement.
"""

import resource
import socket
from collections.abc import Callable

from rich.console import Console

from service.journal import JobJournal
from service.listening import announcement, listen, until_interrupted, url
from service.processes import ApiProcesses
from service.security.commands import check_start
from worker.runtime.processes import Processes
from worker.settings import ServiceSettings
from worker.storage import schema
from worker.storage.database import Database


def run_everything(settings: ServiceSettings, console: Console) -> None:
    """Redis and the worker as children, then the HTTP service, until Ctrl-C."""
    with until_interrupted(), listen(settings.host, settings.port) as listening:
        _make_ready(settings)
        console.print(f"[dim]starting; state is kept in {settings.state}[/]", soft_wrap=True)
        log = settings.state / "worker.log"
        console.print(
            f"[dim]jobs and changes are logged here (PARSIMONY_LOG_LEVEL=debug: every request), "
            f"workers in {log}[/]",
            soft_wrap=True,
        )
        with Processes(settings) as processes:
            announce = announcement(url(listening), console, needs_keys=settings.needs_keys)
            with JobJournal(settings):
                _serve(settings, listening, announce, processes.ask_to_stop)


def run_api(settings: ServiceSettings, console: Console) -> None:
    """The HTTP service alone."""
    with until_interrupted(), listen(settings.host, settings.port) as listening:
        _make_ready(settings)
        _serve(
            settings,
            listening,
            announcement(url(listening), console, needs_keys=settings.needs_keys),
        )


def _make_ready(settings: ServiceSettings) -> None:
    """Once for all processes, and where what is missing is said in a line."""
    if settings.needs_keys:
        # Memory holds keys, and a core file is memory. Children inherit it.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    settings.prepare_state()
    database = Database(settings.database_url)
    try:
        schema.make_ready(database, patience=settings.migration_seconds)
        check_start(settings, database)
    finally:
        database.close()


def _serve(
    settings: ServiceSettings,
    listening: socket.socket,
    announce: Callable[[], None],
    on_stop: Callable[[], None] | None = None,
) -> None:
    if settings.processes > 1:
        ApiProcesses(settings, listening, on_stop=on_stop).serve(announce)
        return
    # Imported late: it loads torch, which the parent of several processes does not need.
    from service.server import Server

    Server(settings, announce, on_stop=on_stop).serve_on(listening)
