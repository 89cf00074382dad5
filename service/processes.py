"""What the commands start: everything on one machine, or one part of a larger installation."""

from collections.abc import Callable

from rich.console import Console

from service.app import create_app
from service.server import Server, listen, until_interrupted, url
from worker.runtime.processes import Processes
from worker.settings import ServiceSettings

EXAMPLE = (
    "curl {url}/v1/jobs -H 'Content-Type: application/json' -H 'Prefer: wait=30' "
    '-d \'{{"dataset": {{"builtin": "circle"}}, "regularization": {{"dropout": {{"p": 0.2}}}}}}\''
)


def run_everything(settings: ServiceSettings, console: Console) -> None:
    """Redis and the worker as children, the HTTP service here, until Ctrl-C."""
    with until_interrupted(), listen(settings.host, settings.port) as listening:
        console.print(f"[dim]starting; state is kept in {settings.state}[/]", soft_wrap=True)
        with Processes(settings):
            announce = announcement(url(listening), console)
            Server(create_app(settings), settings.log_level, announce).serve_on(listening)


def run_api(settings: ServiceSettings, console: Console) -> None:
    """The HTTP service alone."""
    with until_interrupted(), listen(settings.host, settings.port) as listening:
        announce = announcement(url(listening), console)
        Server(create_app(settings), settings.log_level, announce).serve_on(listening)


def announcement(address: str, console: Console) -> Callable[[], None]:
    """What is said once the service answers: where it is, and a first thing to try."""

    def announce() -> None:
        console.print(f"\n  [bold]{address}/docs[/]\n", soft_wrap=True)
        console.print(EXAMPLE.format(url=address), soft_wrap=True, markup=False)
        console.print("\n  Ctrl-C stops it.", soft_wrap=True)

    return announce
