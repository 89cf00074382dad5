"""Fifty hot reloads under load: no request fails, none mixes versions, and memory comes back."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.api.client import running
from tests.api.work import post, train
from tests.waiting import until
from worker.settings import ServiceSettings

RELOADS = 50
CLIENTS = 4
BODY = {"instances": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}
NETWORK = {"kind": "mlp", "hidden": [1024, 1024]}
"""4 MB each: fifty that stayed would be 200 MB."""


@contextmanager
def served(state: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The service in a process of its own; its address."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PARSIMONY_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "api", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "PARSIMONY_STATE": str(state), "COLUMNS": "200"},
    )
    with process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
                if found:
                    break
            assert found
            yield found[0], psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


class Load:
    """Clients that ask all the time, and what they were told."""

    def __init__(self, address: str, expected: dict[int, Any]) -> None:
        self.failures: list[str] = []
        self.answers = dict.fromkeys(expected, 0)
        self._address, self._expected = address, expected
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._address, timeout=30) as client:
            while not self._end.is_set():
                answer = client.post("/v1/models/m/predict", json=BODY)
                body = answer.json()
                if answer.status_code != 200:
                    self.failures.append(answer.text)
                elif body["predictions"] != self._expected[body["version"]]:
                    self.failures.append(f"version {body['version']} answered otherwise: {body}")
                else:
                    self.answers[body["version"]] += 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fifty_reloads_under_load(tmp_path: Path) -> None:
    with running(ServiceSettings(state=tmp_path, device="cpu", lease_seconds=600)) as client:
        for seed in (1, 2):
            training = {"epochs": 1, "batch_size": 128, "seed": seed}
            train(client, post(client, model="m", network=NETWORK, training=training))
    with served(tmp_path) as (address, process), httpx.Client(base_url=address) as admin:

        def reload(number: int) -> Any:
            body = {"version": number}
            put = admin.put("/v1/models/m/aliases/production", json=body, timeout=30)
            while put.status_code == 503 and put.json()["code"] == "loading":
                put = admin.put("/v1/models/m/aliases/production", json=body, timeout=30)
            assert put.status_code == 200, put.text
            answer = admin.post("/v1/models/m/predict", json=BODY, timeout=30).json()
            assert answer["version"] == number
            return answer["predictions"]

        expected = {number: reload(number) for number in (2, 1)}
        assert expected[1] != expected[2]
        with Load(address, expected) as load:
            for number in (2, 1) * 3:
                reload(number)
            before = process.memory_info().rss
            highest = before
            for turn in range(RELOADS):
                reload(2 - turn % 2)
                highest = max(highest, process.memory_info().rss)
        assert load.failures == []
        assert min(load.answers.values()) > 0
        until(lambda: process.memory_info().rss <= 1.05 * before)
        after = process.memory_info().rss
    seen = ", ".join(f"{size / 1e6:.0f} MB" for size in (before, highest, after))
    sys.stdout.write(f"resident before, highest, after: {seen}; answers: {load.answers}\n")
