"""Eight uploads at once, hostile ones and such that take what they may: memory stays in bounds."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from tests.bombs import BOMBS
from tests.integration.served import serving
from worker.settings import ServiceSettings

pytestmark = pytest.mark.slow
MEMORY = 2**30
OWN = 200 * 2**20
"""What the service itself may grow by."""


def greedy() -> bytes:
    """An NPZ that decodes to nearly all that a file of its size may."""
    sink = io.BytesIO()
    np.savez_compressed(sink, x=np.zeros((60_000, 130)), y=np.arange(60_000) % 2)
    return sink.getvalue()


def in_use(processes: list[psutil.Process]) -> int:
    """Memory of processes, what they share counted once."""
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def test_eight_at_once_stay_within_the_memory_of_uploads(tmp_path: Path) -> None:
    harmful = [(bomb.name, bomb.data) for bomb in BOMBS if not bomb.form]
    files = [*harmful, *[("greedy.npz", greedy())] * 8]
    settings = ServiceSettings(state=tmp_path, upload_memory=MEMORY)
    me = psutil.Process()
    with serving(settings) as url, httpx.Client(base_url=url, timeout=120) as client:

        def send(file: tuple[str, bytes]) -> int:
            return client.post("/v1/datasets", files={"file": file}).status_code

        assert send(("first.csv", b"x,y\n1,2\n")) == 201
        (forks,) = [p for p in me.children() if "service.reading.forks" in p.cmdline()]
        own, base = me.memory_info().rss, in_use([forks])
        most, ended = 0, threading.Event()

        def look() -> None:
            nonlocal most
            while not ended.wait(0.02):
                most = max(most, in_use([forks, *forks.children()]))

        looking = threading.Thread(target=look)
        looking.start()
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(send, files))
        ended.set()
        looking.join()
        assert forks.is_running()
        grown = me.memory_info().rss - own
    assert set(statuses[: len(harmful)]) == {422}
    assert set(statuses[len(harmful) :]) == {201}
    assert 100 * 2**20 < most - base < MEMORY
    assert grown < OWN
    assert list((tmp_path / "reading").iterdir()) == []
