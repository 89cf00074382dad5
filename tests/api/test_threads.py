"""What takes long waits for its like, and never keeps what is short waiting."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest

from service.threads import POOLS, SIZES
from tests.api.client import Client
from worker.caller import Caller
from worker.errors import SpecError

JOB = {"dataset": {"builtin": "iris"}}


def test_health_and_reading_do_not_wait_for_planning(
    fresh: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, end = threading.Semaphore(0), threading.Event()
    most, now, lock = 0, 0, threading.Lock()

    def propose(spec: object, *, caller: Caller) -> NoReturn:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        inside.release()
        end.wait(30)
        with lock:
            now -= 1
        raise SpecError("enough")

    monkeypatch.setattr(fresh.services.intake, "propose", propose)
    count = 60  # more than there are threads in all pools
    with ThreadPoolExecutor(count) as clients:
        answers = [
            clients.submit(fresh.post, f"/v1/jobs{part}", json=JOB)
            for _ in range(count // 2)
            for part in ("", "/validate")
        ]
        for _ in range(SIZES["planning"]):
            assert inside.acquire(timeout=30)
        for path in ("/livez", "/readyz", "/ping", "/v1/jobs", "/v1/techniques/l1"):
            assert fresh.get(path).status_code == 200, path
        end.set()
        assert {answer.result().status_code for answer in answers} == {422}
    assert most == SIZES["planning"]


def test_every_pool_is_of_an_operation(document: dict[str, Any]) -> None:
    operations = {
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    assert operations >= POOLS.keys()
