import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from worker.errors import UnavailableError
from worker.runtime import redis_server
from worker.runtime.doorbell import broker_url, create_celery
from worker.runtime.redis_server import RedisServer, find_redis
from worker.settings import ServiceSettings


def test_the_worker_does_not_import_torch(settings: ServiceSettings) -> None:
    program = (
        "import sys, worker.runtime.doorbell, worker.runtime.reconciler, worker.runtime.processes\n"
        "sys.exit('torch' in sys.modules or 'worker.spec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_whoever_rings_does_not_import_what_answers() -> None:
    program = (
        "import sys, worker.runtime.doorbell; sys.exit('worker.runtime.supervisor' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_child_dies_with_its_parent(settings: ServiceSettings) -> None:
    # The grandchild inherits the pipe: its end is the pipe's end.
    program = (
        "import os, subprocess, sys\n"
        "from worker.runtime.lifeline import launch\n"
        "command = ('/bin/sh', '-c', 'echo up; exec sleep 600')\n"
        "child = subprocess.Popen(launch(os.getpid(), *command))\n"
        "sys.stdin.readline()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        parent.stdin.write(b"die\n")
        parent.stdin.flush()
        assert parent.stdout.read() == b""


def test_the_embedded_redis_is_private_and_keeps_nothing(settings: ServiceSettings) -> None:
    server = RedisServer(settings)
    server.start()
    try:
        with redis.Redis.from_url(settings.redis) as client:
            assert client.config_get("port") == {"port": "0"}
            assert client.config_get("save") == {"save": ""}
        folder = settings.redis_socket.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        server.stop()
    assert server.pid is None
    assert not settings.redis_socket.exists()


def test_a_long_state_folder_has_its_socket_elsewhere(tmp_path: Path) -> None:
    settings = ServiceSettings(state=tmp_path / ("long" * 30))
    assert len(os.fsencode(settings.redis_socket)) <= 100
    other = ServiceSettings(state=tmp_path / ("long" * 31))
    assert settings.redis_socket != other.redis_socket
    server = RedisServer(settings)
    settings.prepare_state()
    server.start()
    server.stop()
    settings.redis_socket.parent.rmdir()


def test_without_redis_the_message_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server.shutil, "which", lambda name: None)
    monkeypatch.setattr(redis_server.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="package manager"):
        find_redis()


def test_a_server_that_does_not_start_is_an_error(
    settings: ServiceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = redis_server.RedisBinary(Path("/bin/false"), "false", (1,))
    monkeypatch.setattr(redis_server, "find_redis", lambda: broken)
    with pytest.raises(UnavailableError, match="did not start"):
        RedisServer(settings).start()


def test_celery_is_told_to_be_a_doorbell(settings: ServiceSettings) -> None:
    app = create_celery(settings)
    assert app.conf.task_acks_late is False
    assert app.conf.accept_content == ["json"]
    assert app.conf.worker_enable_remote_control is False
    assert broker_url(settings) == f"redis+socket://{settings.redis_socket}"
