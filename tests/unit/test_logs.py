import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from worker import logs
from worker.settings import ServiceSettings


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Logging belongs to the whole process; so it is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._NOISY}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(False)
    logs._process.clear()
    logs.about_task()


def configured(tmp_path: Path, **settings: Any) -> io.StringIO:
    stream = io.StringIO()
    logs.configure_logs(ServiceSettings(state=tmp_path, **settings), stream)
    return stream


def objects(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_than_on_a_terminal_a_line_is_an_object(tmp_path: Path) -> None:
    stream = configured(tmp_path)
    logging.getLogger("worker.x").warning("%d trials", 3, extra={"status": 202})
    (line,) = objects(stream)
    assert line["time"].endswith("+00:00")
    told = {"level": "warning", "logger": "worker.x", "message": "3 trials", "status": 202}
    assert told.items() <= line.items()
    assert line["pid"] > 0


def test_a_terminal_gets_lines_for_people(tmp_path: Path) -> None:
    stream = Terminal()
    logs.configure_logs(ServiceSettings(state=tmp_path), stream)
    with logs.about(job="job_1"):
        logging.getLogger("worker.x").info("begun", extra={"fleet": "flt_1"})
    (line,) = stream.getvalue().splitlines()
    assert "INFO    worker.x: begun job=job_1 fleet=flt_1 pid=" in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_form_may_be_asked_for(tmp_path: Path, form: str) -> None:
    stream = configured(tmp_path, log_format=form)
    logging.getLogger("x").info("said")
    assert stream.getvalue().startswith("{") == (form == "json")


def test_the_level_is_obeyed(tmp_path: Path) -> None:
    stream = configured(tmp_path, log_level="error")
    logging.getLogger("x").warning("no")
    logging.getLogger("x").error("yes")
    assert [line["message"] for line in objects(stream)] == ["yes"]


def test_debugging_does_not_show_the_libraries_own(tmp_path: Path) -> None:
    stream = configured(tmp_path, log_level="debug")
    logging.getLogger("sqlalchemy.engine").info("SELECT 1")
    logging.getLogger("x").debug("ours")
    assert [line["message"] for line in objects(stream)] == ["ours"]


def test_what_a_line_is_about_is_said_once(tmp_path: Path) -> None:
    stream = configured(tmp_path)
    log = logging.getLogger("x")
    logs.about_process(worker="here:1")
    with logs.about(job="job_1"), logs.about(fleet="flt_1"):
        log.info("inside", extra={"time": "mine", "fleet": "flt_2"})
    log.info("outside")
    inside, outside = objects(stream)
    assert (inside["worker"], inside["job"], inside["fleet"]) == ("here:1", "job_1", "flt_2")
    assert inside["time"] != "mine"
    assert outside["worker"] == "here:1"
    assert "job" not in outside


def test_what_clients_say_cannot_look_like_another_line(tmp_path: Path) -> None:
    stream = configured(tmp_path, log_format="text")
    logging.getLogger("x").info("GET %s", "/a\n2026-01-01 INFO forged\x1b[2J")
    (line,) = stream.getvalue().splitlines()
    assert r"/a\n2026-01-01 INFO forged\x1b[2J" in line


def test_tracebacks_are_kept(tmp_path: Path) -> None:
    stream = configured(tmp_path)
    try:
        raise ValueError("this one")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = objects(stream)
    assert line["message"] == "failed"
    assert line["trace"].endswith("ValueError: this one")


def test_an_outage_is_told_when_it_begins_now_and_then_and_when_it_is_over(tmp_path: Path) -> None:
    stream = configured(tmp_path)
    now = 0.0
    outage = logs.Outage(logging.getLogger("x"), "the doorbell", clock=lambda: now)
    outage.worked()
    for _ in range(260):
        outage.failed("refused")
        now += 0.5
    outage.worked()
    outage.worked()
    outage.failed("again")
    assert [line["message"] for line in objects(stream)] == [
        "the doorbell does not work: refused",
        "the doorbell has not worked for 60 s: refused",
        "the doorbell has not worked for 120 s: refused",
        "the doorbell works again after 130 s",
        "the doorbell does not work: again",
    ]


def test_a_worker_writes_nothing_but_objects(tmp_path: Path) -> None:
    """Celery's lines too, from its start to its end: here it ends for want of a command."""
    program = (
        "import logging; from worker.runtime.doorbell import CeleryWorker;"
        "from worker.settings import ServiceSettings; settings = ServiceSettings();"
        "from worker import logs; logs.configure_logs(settings); worker = CeleryWorker(settings);"
        "worker.app.log.setup(loglevel='INFO');"
        "logging.getLogger('celery.worker').info('ready');"
        "from celery.utils.log import get_task_logger; get_task_logger('t').warning('task')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={"PARSIMONY_STATE": str(tmp_path), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["message"] for line in lines] == ["ready", "task"]
    assert done.stdout == ""
