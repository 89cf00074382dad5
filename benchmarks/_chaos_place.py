"""Where chaos happens: a database, artefacts, a Redis, an API and workers, each a process that is
started again when it has died, as a process manager does.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx
import psutil
import psycopg
from _chaos_relay import Relay
from _serving import ROOT, free_port
from sqlalchemy import make_url

from worker.runtime.redis_server import find_redis
from worker.storage.database import Database

BUCKET = "parsimony"
START_SECONDS = 120.0
LEASE_SECONDS = 4.0
DISK_BYTES = 256 * 1024 * 1024
SETTINGS = {
    "PARSIMONY_CHECKPOINT_SECONDS": "0",
    "PARSIMONY_HEARTBEAT_SECONDS": "0.5",
    "PARSIMONY_LEASE_SECONDS": str(LEASE_SECONDS),
    "PARSIMONY_RING_AFTER_SECONDS": "2",
    "PARSIMONY_THREADS": "1",
    "PARSIMONY_DEVICE": "cpu",
}
"""A checkpoint after each epoch, and a lease short enough to be lost often in some minutes."""


@dataclass
class Part:
    """One process, and how it is started."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: psutil.Popen | None = None
    starts: int = 0

    def start(self) -> None:
        """Start it, again or for the first time."""
        with self.log.open("ab") as output:
            self.process = psutil.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=ROOT,
                start_new_session=True,
            )
        self.starts += 1

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def members(self) -> list[psutil.Process]:
        """Its descendants, those first that it started first."""
        try:
            return [] if self.process is None else self.process.children(recursive=True)
        except psutil.NoSuchProcess:
            return []


@dataclass
class Place:
    """All of it."""

    kind: str
    folder: Path
    database_url: str
    redis: Part
    api: Part
    workers: list[Part]
    url: str
    settings: dict[str, str]
    """Of the API and the workers, as environment variables."""
    store: "Relay | None" = None
    """What stands before the object store."""
    postgresql: "Server | None" = None
    left_alone: set[str] = field(default_factory=set)
    """Names of parts that nobody starts again for now."""

    def mend(self) -> None:
        """Start again what has ended."""
        for part in self.parts:
            if not part.is_running and part.name not in self.left_alone:
                part.start()

    @property
    def parts(self) -> list[Part]:
        """Those that are started again when they have died."""
        return [self.redis, self.api, *self.workers]

    def wait_until_ready(self) -> None:
        """Until the API answers."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", timeout=2.0).status_code == httpx.codes.OK:
                    return
            time.sleep(0.2)
        raise RuntimeError(f"the API did not become ready; see {self.api.log}")

    def said(self) -> str:
        """What all parts logged."""
        return "\n".join(
            path.read_text(encoding="utf-8", errors="replace")
            for path in sorted(self.folder.glob("*.log"))
        )


@contextmanager
def place(kind: str, workers: int) -> Iterator[Place]:
    """Build one of `sqlite` and `postgresql`, the second with an S3 server; take it down again."""
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="parsimony-chaos-", ignore_cleanup_errors=True)
            )
        )
        settings = dict(SETTINGS)
        server: Server | None = None
        store: Relay | None = None
        if kind == "postgresql":
            server, settings["PARSIMONY_DATABASE_URL"] = stack.enter_context(_postgresql())
            moto, store, named = _object_store(folder)
            stack.callback(moto.kill)
            stack.callback(store.close)
            settings |= named
        else:
            settings["PARSIMONY_DATABASE_URL"] = f"sqlite:///{folder / 'parsimony.db'}"
            settings["PARSIMONY_ARTEFACTS_URL"] = str(folder / "artefacts")
            stack.enter_context(_small_disk(folder / "artefacts"))
        socket_path = folder / "redis.sock"
        settings["PARSIMONY_REDIS_URL"] = f"unix://{socket_path}"
        database = Database(settings["PARSIMONY_DATABASE_URL"])
        database.migrate()
        database.close()
        made = _parts(kind, folder, settings, socket_path, workers)
        made.store, made.postgresql = store, server
        for part in made.parts:
            part.start()
            stack.callback(_end, part)
        made.wait_until_ready()
        yield made


def _parts(
    kind: str,
    folder: Path,
    settings: dict[str, str],
    socket_path: Path,
    workers: int,
) -> Place:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARSIMONY_")}
    port = free_port()

    def part(name: str, *command: str) -> Part:
        own = {"PARSIMONY_STATE": str(folder / name), "PYTHONPATH": str(ROOT)}
        return Part(name, list(command), {**kept, **settings, **own}, folder / f"{name}.log")

    redis = part(
        "redis",
        *(str(find_redis().path), "--port", "0", "--unixsocket", str(socket_path)),
        *("--save", "", "--appendonly", "no", "--dir", str(folder)),
    )
    service = [sys.executable, "-m", "service"]
    return Place(
        kind=kind,
        folder=folder,
        database_url=settings["PARSIMONY_DATABASE_URL"],
        redis=redis,
        api=part("api", *service, "api", "--host", "127.0.0.1", "--port", str(port)),
        workers=[part(f"worker-{n}", *service, "worker") for n in range(workers)],
        url=f"http://127.0.0.1:{port}",
        settings=settings,
    )


def _end(part: Part) -> None:
    members = part.members()
    for process in [*([] if part.process is None else [part.process]), *members]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)
            process.kill()
    psutil.wait_procs(members, 5.0)


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A disk of its own for a folder, where this user may mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


class Server(Protocol):
    """A PostgreSQL."""

    def frozen(self) -> AbstractContextManager[None]:
        """All its processes stand still for the length of a block."""

    def halt(self) -> None:
        """Stop it at once; what it kept stays."""

    def resume(self) -> None:
        """Start it again."""


@contextmanager
def _postgresql() -> Iterator[tuple[Server, str]]:
    """A real server of the package that the tests use."""
    sys.path.insert(0, str(ROOT))
    from tests.databases import PostgreSQL

    server = PostgreSQL()
    server.start()
    try:
        with server.database() as url:
            # The tests' server forgets the last commits when it is stopped at once; a real one not.
            name = make_url(url).database
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute(f"ALTER DATABASE {name} SET synchronous_commit TO on")
            yield server, url
    finally:
        server.stop()


def _object_store(folder: Path) -> tuple[Part, Relay, dict[str, str]]:
    """An S3 server over HTTP, what stands before it, and the settings that name it."""
    python = ROOT / "build" / "peers" / "moto" / "bin" / "python"
    if not python.exists():
        print("installing moto, an S3 server, in build/peers/moto …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "moto[server]"], check=True)
    port = free_port()
    command = [str(python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = Part("s3", command, dict(os.environ), folder / "s3.log")
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            break
        time.sleep(0.1)
    relay = Relay(port)
    endpoint = f"http://127.0.0.1:{relay.port}"
    credentials = {
        "AWS_ACCESS_KEY_ID": "parsimony",
        "AWS_SECRET_ACCESS_KEY": "parsimony",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }
    httpx.put(f"{endpoint}/{BUCKET}", timeout=30).raise_for_status()
    return server, relay, {**credentials, "PARSIMONY_ARTEFACTS_URL": f"s3://{BUCKET}/artefacts"}
