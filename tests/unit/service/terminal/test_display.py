"""What is printed where, and how it fits."""

import io
from typing import Any

import pytest
from rich.console import Console

from service.terminal.display import ProgressLines, show_findings, show_jobs, show_report, spread
from tests.unit.client.test_notebook import finding
from tests.unit.client.test_sending import job


def console(*, terminal: bool) -> Console:
    return Console(
        file=io.StringIO(), width=80, force_terminal=terminal, color_system=None, highlight=False
    )


def printed(console: Console) -> list[str]:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


def report(name: str, trials: int) -> Any:
    sd = 0.01 if trials > 1 else None
    metrics = {
        metric: {"mean": 0.25, "sd": sd, "n": trials}
        for metric in ("validation_loss", "test_loss", "train_loss", "test_balanced_accuracy")
    }
    one = {"name": name, "trials": trials, "succeeded": trials, "failed": 0, "metrics": metrics}
    return {
        "verdict": "it is so",
        "objective": "validation_loss",
        "job": "job_1",
        "configurations": [one] * 3,
    }


@pytest.mark.parametrize("trials", [1, 5])
@pytest.mark.parametrize("name", ["none", "13: l1.strength=0.000204 dropout.p=0.0563 learning=3"])
def test_a_report_fits_a_terminal_and_shows_the_objective(name: str, trials: int) -> None:
    shown = console(terminal=True)
    show_report(shown, report(name, trials), most=2)
    lines = printed(shown)
    assert lines[0] == "It is so"
    assert all(len(line) <= 80 for line in lines)
    text = " ".join(lines)
    assert "validation loss" in text
    assert all(word in text for word in name.split())
    assert "and 1 more: parsimony report job_1 --top 100" in text


def test_a_deviation_has_the_digits_of_its_mean() -> None:
    assert spread({"mean": 0.3669, "sd": 1.2e-05, "n": 3}) == "0.3669 ± 0.0000"
    assert spread({"mean": 2e-05, "sd": 1.2e-06, "n": 3}) == "2e-05 ± 1.2e-06"
    assert spread({"mean": 0.5, "sd": None, "n": 1}) == "0.5000"
    assert spread(None) == "–"


def test_a_list_of_jobs_has_a_line_a_job() -> None:
    shown = console(terminal=True)
    best = {"trial": "trl_1", "name": "dropout " * 20, "value": 0.25}
    jobs: Any = [
        job(state, id=f"job_5f0c9a3e1b7d2468ace0f13{number}", name="a name", best=best)
        for number, state in enumerate(("running", "succeeded", "cancelled"))
    ]
    show_jobs(shown, jobs)
    lines = printed(shown)
    assert len(lines) == 4
    assert all(len(line) <= 80 for line in lines)
    assert ["succeeded" in line for line in lines] == [False, False, True, False]
    assert lines[1].rstrip().endswith("…")


def test_a_finding_is_told_once_with_the_line_that_mends_it() -> None:
    told: set[str] = set()
    findings: Any = [finding(message="A is odd."), finding(message="A is odd.", change=None)]
    for expected in (["warning: A is odd. Mend it.", "→ "], []):
        shown = console(terminal=False)
        show_findings(shown, findings, told)
        assert [line[: len(text)] for line, text in zip(printed(shown), expected, strict=True)] == (
            expected
        )


def test_progress_is_told_when_it_is_news() -> None:
    shown = console(terminal=False)
    lines = ProgressLines(shown)
    for state, fraction in (
        ("queued", 0.0),
        ("queued", 0.0),
        ("running", 0.01),
        ("running", 0.02),
        ("running", 0.55),
        ("succeeded", 1.0),
    ):
        progress = {"fraction": fraction, "epoch": 1, "epochs": 9, "eta_seconds": 65.0}
        data: Any = job(state, progress=progress)
        lines.show(data, None)
    assert printed(shown) == [
        "job_1: waits for a worker",
        "job_1: running, 1%, 1:05 left",
        "job_1: running, 55%, 1:05 left",
        "job_1: succeeded",
    ]
