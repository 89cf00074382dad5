"""The whole demonstration, start to stop."""

import time
from pathlib import Path

from rich.console import Console

from service.demo.breast_cancer import train_and_predict
from service.demo.circle import compare
from service.demo.client import Client
from service.demo.installation import installation
from service.demo.search import search


def run(console: Console, folder: Path) -> None:
    """Start a service with a state folder of its own, run the experiments, stop it.

    Raises ``ParsimonyError`` if anything did not work, so that the command does not exit 0.
    """
    started = time.monotonic()
    console.print("starting the service: Redis, a worker and the HTTP server on a free port …")
    with installation() as url, Client(url, console) as client:
        console.print(f"ready after {time.monotonic() - started:.1f} s: {url}/docs")
        compare(client, folder)
        train_and_predict(client)
        search(client)
    console.print(f"[dim]done in {time.monotonic() - started:.1f} s; the service is stopped[/]")
