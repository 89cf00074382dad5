"""A network of three hosts on one machine: namespaces, wires between them, servers on TCP."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from _chaos_place import BUCKET, Part
from _serving import ROOT

from worker.runtime.redis_server import find_redis

HUB = "10.87.0.1"
"""Where the servers listen."""
HOSTS = ("host-a", "host-b")
POSTGRESQL_PORT, REDIS_PORT, STORE_PORT = 5432, 6379, 5000
STARTED_SECONDS = 60.0


class CannotBeHadError(Exception):
    """This machine or this user has no network namespaces; the message says why."""


@contextmanager
def network(prefix: str) -> Iterator[None]:
    """Three namespaces, ``PREFIX-hub`` and one for each host, each host with a wire to the hub.

    Raises:
        CannotBeHadError: they cannot be made.
    """
    hub = f"{prefix}-hub"
    made: list[str] = []
    try:
        for name in (hub, *(f"{prefix}-{host}" for host in HOSTS)):
            _ip("netns", "add", name)
            made.append(name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", hub, "address", "add", f"{HUB}/32", "dev", "lo")
        for number, host in enumerate(HOSTS, 1):
            space, ours, theirs = f"{prefix}-{host}", f"to-{host}", "wire"
            _ip("link", "add", ours, "netns", hub, "type", "veth",
                "peer", "name", theirs, "netns", space)  # fmt: skip
            _ip("-n", hub, "address", "add", f"10.87.{number}.1/24", "dev", ours)
            _ip("-n", space, "address", "add", f"10.87.{number}.2/24", "dev", theirs)
            _ip("-n", hub, "link", "set", ours, "up")
            _ip("-n", space, "link", "set", theirs, "up")
            _ip("-n", space, "route", "add", "default", "via", f"10.87.{number}.1")
        yield
    finally:
        for name in made:
            with suppress(CannotBeHadError):
                _ip("netns", "delete", name)


def wire(host: str, state: str) -> None:
    """Take the wire of a host ``down``, or ``up``: called in the hub."""
    _ip("link", "set", f"to-{host}", state)


def on_host(prefix: str, host: str, *command: str) -> list[str]:
    """A command as it is run on a host, under its own name."""
    inside = ["ip", "netns", "exec", f"{prefix}-{host}", "unshare", "--uts"]
    return [*inside, "sh", "-c", f'hostname {host} && exec "$@"', "sh", *command]


def _ip(*arguments: str) -> None:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CannotBeHadError("there is no program `ip` (iproute2)") from error
    if done.returncode != 0:
        raise CannotBeHadError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@contextmanager
def postgresql() -> Iterator[str]:
    """A server that listens to all hosts; its URL."""
    sys.path.insert(0, str(ROOT))
    from tests.databases import SUPERUSER, PostgreSQL

    class Listening(PostgreSQL):
        """The tests' server, on TCP, and with what it commits on the disk."""

        def listen(self) -> None:
            """From now on."""
            with (self._folder / "data" / "pg_hba.conf").open("a") as file:
                file.write("host all all 10.87.0.0/16 trust\n")
            self._run("pg_ctl", "stop", "-w", "-s", "-m", "fast")
            options = f"-h '*' -p {POSTGRESQL_PORT} -k {self._folder}"
            self._run("pg_ctl", "start", "-w", "-s", "-l", f"{self._folder}/log", "-o", options)

    server = Listening()
    server.start()
    try:
        server.listen()
        with server.database() as url:
            name = url.partition("?")[0].rpartition("/")[2]
            yield f"postgresql+psycopg://{SUPERUSER}@{HUB}:{POSTGRESQL_PORT}/{name}"
    finally:
        server.stop()


def redis(folder: Path) -> Part:
    """A server that listens to all hosts."""
    command = [str(find_redis().path), "--port", str(REDIS_PORT), "--bind", "0.0.0.0"]
    command += ["--protected-mode", "no", "--save", "", "--dir", str(folder)]
    return Part("redis", command, {}, folder / "redis.log")


def store(folder: Path) -> tuple[Part, dict[str, str]]:
    """An S3 server that listens to all hosts, and the settings that name it.

    Raises:
        CannotBeHadError: it is not installed: `benchmarks/chaos.py` does that.
    """
    python = ROOT / "build" / "peers" / "moto" / "bin" / "python"
    if not python.exists():
        raise CannotBeHadError(
            "moto, an S3 server, is not there: `benchmarks/chaos.py` installs it"
        )
    command = [str(python), "-m", "moto.server", "-H", "0.0.0.0", "-p", str(STORE_PORT)]
    endpoint = f"http://{HUB}:{STORE_PORT}"
    return Part("s3", command, {}, folder / "s3.log"), {
        "AWS_ACCESS_KEY_ID": "parsimony",
        "AWS_SECRET_ACCESS_KEY": "parsimony",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "PARSIMONY_ARTEFACTS_URL": f"s3://{BUCKET}/artefacts",
    }


def wait_for_store() -> None:
    """Until the bucket is there."""
    deadline = time.monotonic() + STARTED_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            httpx.put(f"http://{HUB}:{STORE_PORT}/{BUCKET}", timeout=5).raise_for_status()
            return
        time.sleep(0.2)
    raise RuntimeError("the S3 server did not start")
