"""How answers look: tables and sentences for people, plain lines where nobody looks."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from parsimony.answers import (
    BriefJob,
    ConfigurationData,
    EventData,
    Finding,
    JobData,
    MetricsData,
    ReportData,
    SpreadData,
    SystemData,
)
from parsimony.progress import JobBar
from parsimony.words import (
    duration,
    losses,
    number,
    result,
    sentences,
    standing,
    waits_for,
)

STYLES = {
    "succeeded": "green",
    "ok": "green",
    "ready": "green",
    "failed": "red",
    "lost": "red",
    "unready": "red",
    "cancelled": "dim",
    "running": "blue",
    "queued": "yellow",
    "paused": "yellow",
    "degraded": "yellow",
    "warning": "yellow",
    "error": "red",
}
SCORES = (
    *("test_loss", "train_loss", "validation_loss"),
    *("test_balanced_accuracy", "validation_balanced_accuracy", "test_accuracy"),
    *("test_r2", "validation_r2", "test_rmse"),
)
"""The metrics of a table, as far as a job has them and there is room; the objective before them."""
MOST_SCORES = 4
SCORE_WIDTH, SPREAD_WIDTH, NAME_WIDTH = 17, 19, 40
"""Letters of a mean, of one with its deviation, and of a configuration's name at most."""
LISTED = 49
"""Letters of a job in a list before its name: its id, its state, its trials."""
WIDE = 200
"""Columns of what is not written to a terminal: no line is broken."""


def output() -> Console:
    """The output: with colours on a terminal, plain and unbroken elsewhere."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=WIDE, soft_wrap=True)


def plain_table(*headings: str) -> Table:
    """A table without lines, which people and `awk` read alike."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading)
    return table


def state_text(state: str, words: str | None = None) -> Text:
    """A state in its colour."""
    return Text(words or state, style=STYLES.get(state, ""))


class ProgressLines:
    """A job's progress as plain lines: one for each state, and for each tenth of the way."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[str, int, str | None] | None = None

    def show(self, job: JobData, metrics: MetricsData | None) -> None:
        """Say it, if it is news."""
        waits = waits_for(job)
        now = (job["state"], int(10 * job["progress"]["fraction"]), waits)
        if now == self._last:
            return
        self._last = now
        parts = [job["id"], waits if job["state"] == "queued" and waits else standing(job)]
        if job["state"] == "running":
            if waits:
                parts.append(waits)
            if metrics is not None and losses(metrics):
                parts.append(losses(metrics))
        self._console.print(": ".join(parts[:2]) + "".join(f", {part}" for part in parts[2:]))


@contextmanager
def watched(*, quiet: bool) -> Iterator[JobBar | ProgressLines | None]:
    """What shows a job that is waited for: a bar on a terminal, else lines; nothing if quiet."""
    if quiet:
        yield None
    elif sys.stdout.isatty():
        with JobBar(Console(highlight=False)) as bar:
            yield bar
    else:
        yield ProgressLines(output())


def show_findings(
    console: Console, findings: Sequence[Finding], told: set[str] | None = None
) -> None:
    """Each finding in words, and below it the line that mends it; not what was ``told`` before."""
    if not console.is_terminal:
        for severity, text, line in sentences(findings, told):
            console.print(Text(f"{severity}: {text}"))
            if line is not None:
                console.print(Text(f"→ {line}"))
        return
    table = plain_table("", "")
    table.show_header = False
    table.columns[1].overflow = "fold"
    for severity, text, line in sentences(findings, told):
        table.add_row(Text(severity, style=STYLES.get(severity, "cyan")), Text(text))
        if line is not None:
            table.add_row("", Text(f"→ {line}", style="bold"))
    if table.row_count:
        console.print(table)


def show_accepted(console: Console, job: JobData, told: set[str]) -> None:
    """A job that was just posted, and what was found about it."""
    name = f" {job['name']}" if job["name"] else ""
    console.print(Text.assemble((job["id"], "bold"), name, ": ", state_text(job["state"])))
    show_findings(console, job["advice"], told)


def show_end(
    console: Console, job: JobData, report: ReportData | None, told: set[str] | None = None
) -> None:
    """How a job ended: state, verdict, configurations, winner, advice that was not ``told`` yet."""
    name = f" {job['name']}" if job["name"] else ""
    console.print(
        Text.assemble((job["id"], "bold"), name, ": ", state_text(job["state"], standing(job)))
    )
    if report is not None:
        show_report(console, report, most=10)
    summary = result(job)
    if summary:
        console.print(Text(summary[0].upper() + summary[1:]))
    show_findings(console, job["advice"], told)


def show_report(console: Console, report: ReportData, *, most: int) -> None:
    """The verdict, then the configurations, best first."""
    if report["verdict"]:
        verdict = report["verdict"]
        console.print(Text(verdict[0].upper() + verdict[1:], style="bold"))
    shown = report["configurations"][:most]
    if not shown:
        return
    repeated = any(one["trials"] > 1 for one in shown)
    longest = max(len("configuration"), *(len(one["name"]) for one in shown))
    room = console.width - min(longest, NAME_WIDTH) - 5
    fitting = room // (SPREAD_WIDTH if repeated else SCORE_WIDTH)
    names = scores_of(report, max(1, min(MOST_SCORES, fitting)))
    table = plain_table("configuration")
    if repeated:
        table.add_column("n", justify="right")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for place, one in enumerate(shown):
        cells = [spread(one["metrics"].get(name)) for name in names]
        count = [str(one["succeeded"])] if repeated else []
        table.add_row(_configuration(one), *count, *cells, style="bold" if place == 0 else "")
    console.print()
    console.print(table)
    hidden = len(report["configurations"]) - len(shown)
    if hidden:
        console.print(Text(f"… and {hidden} more: parsimony report {report['job']} --top 100"))
    console.print()


def scores_of(report: ReportData, most: int) -> list[str]:
    """The metrics of its table."""
    known = {name for one in report["configurations"] for name in one["metrics"]}
    wanted = [report["objective"], *SCORES]
    return [name for name in dict.fromkeys(wanted) if name in known][:most]


def _configuration(one: ConfigurationData) -> Text:
    failed = f" ({one['failed']} failed)" if one["failed"] else ""
    return Text(f"{one['name']}{failed}")


def spread(found: SpreadData | None) -> str:
    """A mean, and its deviation where there are several."""
    if found is None:
        return "–"
    mean = number(found["mean"])
    if found["sd"] is None:
        return mean
    return f"{mean} ± {number(found['sd']) if 'e' in mean else format(found['sd'], '.4f')}"


def show_jobs(console: Console, jobs: Sequence[BriefJob]) -> None:
    """A line a job, newest first."""
    if not jobs:
        console.print("no jobs; post one: parsimony submit spec.yaml --watch")
        return
    table = plain_table("job", "state", "trials", "best")
    for column in table.columns[:3]:
        column.no_wrap = True
    table.columns[2].justify = "right"
    room = max(20, console.width - LISTED)
    for job in jobs:
        trials, best = job["trials"], job["best"]
        count = f"{trials['finished']}/{trials['total']}"
        remark = "" if best is None else f"{best['name']} {number(best['value'])}"
        if job["error"] is not None:
            remark = job["error"]["message"]
        elif waits := job.get("waiting_for"):
            remark = f"waits for {waits}"
        words = f"{job['progress']['fraction']:.0%}" if job["state"] == "running" else job["state"]
        about = ": ".join(part for part in (job["name"], remark) if part)
        if console.is_terminal and len(about) > room:
            about = f"{about[: room - 1]}…"
        table.add_row(job["id"], state_text(job["state"], words), count, Text(about))
    console.print(table)


def show_system(console: Console, system: SystemData) -> None:
    """The installation: parts, workers, what waits."""
    console.print(
        Text.assemble(
            ("parsimony ", "bold"),
            (system["release"], "bold"),
            ": ",
            state_text(system["status"]),
            f", up {duration(system['uptime_seconds'])}",
        )
    )
    table = plain_table("part", "state", "")
    for name, part in system["parts"].items():
        table.add_row(name, state_text(part["state"]), Text(part["reason"] or ""))
    console.print(table)
    queue = system["queue"]
    if queue is not None:
        console.print(Text(f"{queue['running']} fleets run, {queue['queued']} wait"))
    workers = plain_table("worker", "state", "device", "seen")
    for worker in system["workers"]:
        seen = f"{duration(worker['seen_seconds'])} ago"
        workers.add_row(worker["host"], state_text(worker["state"]), worker["device"], seen)
    if system["workers"]:
        console.print(workers)
    else:
        console.print(Text("no worker was seen; start one: parsimony worker", style="yellow"))


def show_events(console: Console, events: Sequence[EventData]) -> None:
    """A line an event, oldest first."""
    for event in events:
        style = STYLES.get(event["level"], "")
        console.print(
            Text.assemble((event["created_at"][:19], "dim"), " ", (event["message"], style))
        )
