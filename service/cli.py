"""The command line: ``parsimony up | api | worker | keys | migrate | gc | backup | …``."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from service.terminal.commands import add_commands
from service.variables import unknown_variables
from worker.errors import ParsimonyError
from worker.logs import configure_logs
from worker.settings import ServiceSettings

app = typer.Typer(
    name="parsimony",
    help="Trains regularized neural networks over HTTP and serves them. Every option is also an "
    "environment variable, PARSIMONY_ and its name; the README lists them all.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"parsimony {version('parsimony')}")
        raise typer.Exit


@app.callback()
def private(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which this is."),
    ] = False,
) -> None:
    """Have whatever a command writes be for its user alone."""
    os.umask(0o077)


add_commands(app)

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="TCP port to listen on; 0 for any free one.")]
State = Annotated[Path | None, typer.Option(help="Folder of everything that survives a restart.")]
ProcessCount = Annotated[
    int | None,
    typer.Option("--processes", help="Processes that answer HTTP requests, on one port."),
]
Workers = Annotated[int | None, typer.Option(help="Fleets trained at the same time.")]


@app.command()
def up(
    host: Host = None,
    port: Port = None,
    state: State = None,
    workers: Workers = None,
    processes: ProcessCount = None,
) -> None:
    """Start everything: Redis, a worker and the HTTP service. Ctrl-C stops it."""
    with _errors_in_a_line():
        settings = _settings(
            host=host, port=port, state=state, workers=workers, processes=processes
        )
        # Imported late: torch takes seconds, and `--help` should not.
        from service.run import run_everything

        configure_logs(settings)
        run_everything(settings, Console(highlight=False))


@app.command()
def api(host: Host = None, port: Port = None, processes: ProcessCount = None) -> None:
    """Start the HTTP service alone, on the database and Redis of the settings."""
    with _errors_in_a_line():
        settings = _settings(host=host, port=port, processes=processes)
        from service.run import run_api

        configure_logs(settings)
        run_api(settings, Console(highlight=False))


@app.command()
def worker(workers: Workers = None) -> None:
    """Start a worker alone, on the database and Redis of the settings."""
    with _errors_in_a_line():
        settings = _settings(workers=workers)
        settings.prepare_state()
    if settings.embedded_redis and not settings.redis_socket.exists():
        _say(
            f"no Redis runs for {settings.state}, and a worker starts none: it looks for jobs by "
            "itself, and begins them seconds later. Give the address of one by PARSIMONY_REDIS_URL"
        )
    # Becomes the worker, so that a container's signals reach it; it must not load torch either.
    command = [sys.executable, "-m", "worker.runtime"]
    os.execve(sys.executable, command, {**os.environ, **settings.environment()})


@app.command()
def migrate(
    state: State = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Change nothing; exit 1 if this release does not work on the schema."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the statements, done and undone in one transaction with locks."
        ),
    ] = False,
) -> None:
    """Bring the database's schema to this release's. Needed once a release with PostgreSQL; SQLite
    is migrated by whatever opens it.
    """
    with _errors_in_a_line():
        settings = _settings(state=state)
        from worker.storage import schema
        from worker.storage.database import Database

        settings.prepare_state()
        console = Console(highlight=False, soft_wrap=True)
        database = Database(settings.database_url)
        try:
            if dry_run:
                for statement in schema.rehearse(database):
                    console.print(statement, markup=False)
            elif not check:
                database.migrate()
            found = schema.state_of(database)
        finally:
            database.close()
        # Of a rehearsal the statements alone go to the output: it is to be read, or kept.
        status_console = (
            Console(stderr=True, highlight=False, soft_wrap=True) if dry_run else console
        )
        status_console.print(f"{found.sentence[0].upper()}{found.sentence[1:]}.", markup=False)
        if check and not found.fits:
            raise typer.Exit(1)


@app.command()
def gc(
    state: State = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Remove nothing; say what would be removed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say it as JSON.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Even if the database refers to nothing in the store."),
    ] = False,
) -> None:
    """Remove what is kept no longer: by age, and files that nothing refers to.

    Safe beside running work.
    """
    with _errors_in_a_line():
        settings = _settings(state=state)
        from service.maintenance import collect

        collect(settings, Console(highlight=False), dry_run=dry_run, as_json=as_json, force=force)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Where to: a folder that is not there yet.")],
    state: State = None,
) -> None:
    """Copy the database and all files that it refers to; the service may run meanwhile."""
    with _errors_in_a_line():
        from service.maintenance import back_up

        back_up(_settings(state=state), folder, Console(highlight=False))


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `parsimony backup` has made.")],
    state: Annotated[Path, typer.Option(help="The new state folder; not there yet, or empty.")],
) -> None:
    """Make a new state folder of a backup, once each of its files is found to be right."""
    with _errors_in_a_line():
        from service.maintenance import bring_back

        bring_back(folder, state, Console(highlight=False))


@app.command()
def doctor(state: State = None) -> None:
    """Say what this machine offers and whether it is fit; exits 1 if something is not."""
    with _errors_in_a_line():
        from service.doctor import examinations

        results = list(examinations(_settings(state=state)))
    table = Table("", "", box=None, show_header=False, pad_edge=False)
    table.add_column(overflow="fold")
    for result in results:
        mark = {True: "[green]ok[/]", False: "[red]unfit[/]", None: ""}[result.fit]
        table.add_row(f"[bold]{result.what}[/]", mark, result.found)
        if result.remedy:
            table.add_row("", "", f"→ {result.remedy}")
    Console(highlight=False).print(table)
    if any(result.fit is False for result in results):
        raise typer.Exit(1)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where loss.png is written.")] = Path("demo"),
) -> None:
    """Start the service and run three experiments over HTTP; takes under a minute."""
    with _errors_in_a_line():
        from service.demo import run

        run(Console(highlight=False), folder)


@app.command()
def audit(
    tenant: Annotated[str | None, typer.Option(help="Of this one alone.")] = None,
    state: State = None,
) -> None:
    """Write who did what, as JSON lines, the oldest first."""
    with _errors_in_a_line():
        from service.security import commands

        commands.print_audit(_settings(state=state), typer.echo, tenant=tenant)


keys = typer.Typer(help="Keys of the HTTP service.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@keys.command("create")
def create_key(
    tenant: Annotated[str, typer.Option(help="Whose data, jobs and models it sees.")] = "default",
    scopes: Annotated[
        str, typer.Option(help="What it is good for: some of read, train, predict, admin.")
    ] = "read,train,predict",
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 90d, 12h, or an instant of ISO 8601.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="A label for people.")] = None,
    state: State = None,
) -> None:
    """Make a key and show it, once."""
    with _errors_in_a_line():
        from service.security import commands

        console = Console(highlight=False, soft_wrap=True)
        settings = _settings(state=state)
        commands.print_new_key(
            settings, console, tenant=tenant, scopes=scopes, expires=expires, name=name
        )


@keys.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Of this one alone.")] = None,
    state: State = None,
) -> None:
    """List the keys, revoked ones too; what they are is not known here."""
    with _errors_in_a_line():
        from service.security import commands

        console = Console(highlight=False, soft_wrap=True)
        commands.print_keys(_settings(state=state), console, tenant=tenant)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Its id, as `parsimony keys list` shows it.")],
    state: State = None,
) -> None:
    """Let a key be good for nothing, in every process within a second."""
    with _errors_in_a_line():
        from service.security import commands

        console = Console(highlight=False, soft_wrap=True)
        commands.print_revoked(_settings(state=state), console, key)


@keys.command("generate")
def generate_key() -> None:
    """Print a new key that is kept nowhere, for PARSIMONY_FIRST_KEY."""
    from worker.storage.keys import new_text

    typer.echo(new_text())


def _settings(**options: Any) -> ServiceSettings:
    """The environment's settings, with the options that were given; says which are none."""
    for sentence in unknown_variables(os.environ):
        _say(sentence)
    return ServiceSettings(**{name: value for name, value in options.items() if value is not None})


@contextmanager
def _errors_in_a_line() -> Iterator[None]:
    """Say what a user can mend in a line, without a traceback; exits 1."""
    try:
        yield
    except ValidationError as error:
        for problem in error.errors():
            if problem["type"] == FOLLOWS:
                continue
            name = ".".join(str(part) for part in problem["loc"])
            subject = f"PARSIMONY_{name.upper()} (--{name}): " if name else ""
            _say(f"{subject}{problem['msg']}")
        raise typer.Exit(1) from error
    except ParsimonyError as error:
        _say(error.message)
        raise typer.Exit(1) from error


FOLLOWS = "default_factory_not_called"
"""Pydantic's, of a default that follows from a setting which is wrong: nobody gave it."""


def _say(sentence: str) -> None:
    problems = Console(stderr=True, highlight=False, soft_wrap=True)
    problems.print("[red]parsimony:[/]", end=" ")
    problems.print(sentence, markup=False)
