"""A bar for a job that one waits for: on a terminal or in a notebook, and nowhere else."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from parsimony.answers import JobData, MetricsData
from parsimony.words import duration, losses, waits_for


def can_be_drawn() -> bool:
    """Whether somebody looks: at a terminal, or at a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class JobBar:
    """A job's bar: its share, its trials, the time left, and the losses of its best trial.

    Args:
        console: where it is drawn; the error output unless given, so that a program's output stays
            its own.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TextColumn("[dim]{task.fields[about]}"),
            console=console or Console(stderr=True),
            transient=True,
            auto_refresh=False,
        )
        self._task = self._progress.add_task("", total=1.0, about="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, job: JobData, metrics: MetricsData | None) -> None:
        """Draw it as it is now."""
        progress, trials = job["progress"], job["trials"]
        parts = []
        if job["state"] in ("queued", "paused") or job["waiting_for"]:
            parts.append(waits_for(job) or "")
        else:
            if progress["eta_seconds"] is not None:
                parts.append(f"{duration(progress['eta_seconds'])} left")
            if trials["total"] > 1:
                parts.append(f"{trials['finished']}/{trials['total']} trials")
            if metrics is not None:
                parts.append(losses(metrics))
        self._progress.update(
            self._task,
            description=job["state"],
            completed=progress["fraction"],
            about=" · ".join(part for part in parts if part),
            refresh=True,
        )
