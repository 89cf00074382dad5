"""Ringing: within limits where Redis is frozen, and by way of sentinels."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from tests.databases import stopped
from tests.waiting import until
from worker.runtime.doorbell import Doorbell, broker_url
from worker.runtime.redis_server import RedisServer, find_redis
from worker.settings import ServiceSettings

SECONDS = 4.0
"""Twice what Redis is waited for."""


@pytest.fixture
def server(settings: ServiceSettings) -> Iterator[psutil.Process]:
    settings.prepare_state()
    server = RedisServer(settings)
    server.start()
    assert server.pid is not None
    yield psutil.Process(server.pid)
    server.stop()


@pytest.fixture
def bell(settings: ServiceSettings) -> Iterator[Doorbell]:
    bell = Doorbell(settings)
    yield bell
    bell.close()


def test_it_knows_whether_announcements_are_unread(server: psutil.Process, bell: Doorbell) -> None:
    assert not bell.has_unread()
    bell.ring("flt_1")
    assert bell.has_unread()
    assert not bell.is_backed_up()


@pytest.mark.slow
@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("act", [Doorbell.is_backed_up, lambda bell: bell.ring("flt_2")])
def test_a_frozen_redis_is_waited_for_within_limits(
    server: psutil.Process, bell: Doorbell, act: Callable[[Doorbell], object], warm: bool
) -> None:
    if warm:
        bell.ring("flt_1")
        bell.has_unread()
    with stopped(server):
        started = time.monotonic()
        with pytest.raises(Exception, match=r"[Tt]ime"):
            act(bell)
        assert time.monotonic() - started < SECONDS
    bell.ring("flt_3")


@contextmanager
def redis_on_a_port(folder: Path, *arguments: str) -> Iterator[tuple[int, psutil.Process]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = [find_redis().path, *arguments, "--port", f"{port}", "--bind", "127.0.0.1"]
    with subprocess.Popen(
        [*program, "--dir", folder, "--logfile", folder / f"{port}.log"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            until(lambda: answers(port))
            yield port, psutil.Process(process.pid)
        finally:
            process.kill()


def answers(port: int) -> bool:
    try:
        with redis.Redis(port=port) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.mark.slow
def test_sentinels_say_where_to_ring(settings: ServiceSettings, tmp_path: Path) -> None:
    with redis_on_a_port(tmp_path, "--save", "") as (port, primary):
        conf = tmp_path / "sentinel.conf"
        conf.write_text(f"sentinel monitor house 127.0.0.1 {port} 1\n")
        with redis_on_a_port(tmp_path, str(conf), "--sentinel") as (watch, sentinel):
            url = f"sentinel://127.0.0.1:{watch}/0?master_name=house"
            changed = settings.model_copy(update={"redis_url": url})
            assert broker_url(changed) == f"sentinel://127.0.0.1:{watch}/0"
            bell = Doorbell(changed)
            bell.ring("flt_1")
            assert bell.has_unread()
            for frozen in (primary, sentinel):
                with stopped(frozen):
                    started = time.monotonic()
                    with pytest.raises(redis.RedisError):
                        Doorbell(changed).is_backed_up()
                    assert time.monotonic() - started < SECONDS
            bell.close()
