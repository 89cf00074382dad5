"""What the commands start: everything on one machine, or one part of a larger installation."""

from collections.abc import Callable

from rich.console import Console

from service.app import create_app
from service.server import Server, listen, until_interrupted, url
from worker.runtime.stack import Stack
from worker.settings import ServiceSettings


def run_everything(settings: ServiceSettings, console: Console) -> None:
    """Redis and the worker as children, the HTTP service here, until Ctrl-C."""
    with until_interrupted(), listen(settings.host, settings.port) as listening:
        console.print("[dim]starting …[/]")
        with Stack(settings):
            announce = _announcement(url(listening), console, f"state   {settings.state}")
            Server(create_app(settings), settings.log_level, announce).serve_on(listening)
        console.print("[dim]stopped[/]")


def run_api(settings: ServiceSettings, console: Console) -> None:
    """The HTTP service alone."""
    with until_interrupted(), listen(settings.host, settings.port) as listening:
        announce = _announcement(url(listening), console)
        Server(create_app(settings), settings.log_level, announce).serve_on(listening)
