"""Two hosts that share nothing but URLs; one is cut off for a minute in the middle of a job.

    sudo python benchmarks/hosts.py [--seconds 60]

Three network namespaces: PostgreSQL, Redis, an S3 server and the HTTP service in one, a worker in
each of two others, with a state folder and a host name of its own, and a wire to the first. The
same job three times:

* undisturbed;
* the wire of the host that trains it is taken down for a minute;
* likewise, and all processes of that host stand still meanwhile, as a virtual machine does that is
  moved: when it wakes it does not know that its lease is lost, and what it writes must be refused.

It shall be finished once, by the other host, to the same bits, and the host that was cut off shall
be back by itself. Without root or namespaces it says so and exits 0.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from _chaos_jobs import Rows, wait
from _chaos_place import Part
from _hosts_net import (
    HOSTS,
    HUB,
    REDIS_PORT,
    CannotBeHadError,
    network,
    on_host,
    postgresql,
    redis,
    store,
    wait_for_store,
    wire,
)
from _serving import ROOT, prepare_to_run
from _shared import machine

from worker.storage.states import State

API_PORT = 8000
JOB: dict[str, Any] = {
    "dataset": {"builtin": "circle", "rows": 1000, "seed": 42},
    "network": {"kind": "mlp", "hidden": [50, 50]},
    "regularization": {"dropout": {"p": 0.2}, "batch_norm": {}, "ema": {"decay": 0.99}},
    "repeats": 16,
}
CUT_AT = 0.1
"""The part of its epochs after which the host is cut off."""
LONGEST_SECONDS = 1800.0


@dataclass
class Round:
    """What became of one job."""

    name: str
    cut: str = "-"
    """The host that was cut off."""
    taken_back: float | None = None
    """Seconds from the cut until the fleet was claimed again."""
    back: float | None = None
    """Seconds from the end of the cut until the host was seen again."""
    taken_by: str = ""
    """The host that claimed it meanwhile."""
    state: str | None = None
    ends: int = 0
    attempts: int = 0
    sha256: str | None = None
    said: str = ""
    """What the host that was cut off said of its lease."""


class Installation:
    """The servers, the service and a worker on each host; in the hub."""

    def __init__(self, folder: Path, database_url: str, workers: dict[str, Part]) -> None:
        self.folder, self.workers = folder, workers
        self.rows = Rows(database_url)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{API_PORT}", timeout=30)

    def post(self, epochs: int) -> str:
        """Post the job; its id."""
        training = {"epochs": epochs, "batch_size": 32}
        answer = self.client.post("/v1/jobs", json={**JOB, "training": training})
        job: str = answer.raise_for_status().json()["id"]
        return job

    def members(self, host: str) -> list[psutil.Process]:
        """The processes of a host's worker."""
        process = self.workers[host].process
        return [] if process is None else [process, *process.children(recursive=True)]

    def is_seen(self, host: str) -> bool:
        """Whether its worker was seen in the last seconds."""
        answer = self.client.get("/v1/system").raise_for_status().json()
        return any(
            worker["host"] == host and worker["state"] == "ok" and worker["seen_seconds"] < 6
            for worker in answer["workers"]
        )

    def log(self, host: str) -> str:
        """What its worker said."""
        return self.workers[host].log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def installation(prefix: str) -> Iterator[Installation]:
    """Start all, and end all."""
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="parsimony-hosts-", ignore_cleanup_errors=True)
            )
        )
        moto, settings = store(folder)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PARSIMONY_")}
        settings["PARSIMONY_DATABASE_URL"] = stack.enter_context(postgresql())
        settings["PARSIMONY_REDIS_URL"] = f"redis://{HUB}:{REDIS_PORT}/0"
        settings |= {"PARSIMONY_THREADS": "1", "PARSIMONY_DEVICE": "cpu", "NO_PROXY": "*"}
        settings["PARSIMONY_CHECKPOINT_SECONDS"] = "2"

        def part(name: str, command: list[str]) -> Part:
            own = {"PARSIMONY_STATE": str(folder / name), "PYTHONPATH": str(ROOT)}
            return Part(name, command, {**kept, **settings, **own}, folder / f"{name}.log")

        service = [sys.executable, "-m", "service"]
        workers = {host: part(host, on_host(prefix, host, *service, "worker")) for host in HOSTS}
        api = part("api", [*service, "api", "--host", "127.0.0.1", "--port", str(API_PORT)])
        for each in (redis(folder), moto):
            each.environment = kept
            stack.callback(_end, each)
            each.start()
        wait_for_store()
        for each in (api, *workers.values()):
            stack.callback(_end, each)
            each.start()
        here = Installation(folder, settings["PARSIMONY_DATABASE_URL"], workers)
        stack.callback(here.client.close)
        _until(lambda: all(here.is_seen(host) for host in HOSTS), "both workers are seen")
        yield here


def _end(part: Part) -> None:
    members = part.members()
    for process in [*([] if part.process is None else [part.process]), *members]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)
            process.kill()
    psutil.wait_procs(members, 5.0)


def _until(holds: Any, what: str) -> float:
    """Wait; how long it took."""
    begun = time.monotonic()
    while time.monotonic() < begun + LONGEST_SECONDS:
        with suppress(httpx.HTTPError):
            if holds():
                return time.monotonic() - begun
        time.sleep(0.1)
    raise RuntimeError(f"waited in vain: {what}")


def once(here: Installation, name: str, seconds: float, epochs: int, *, still: bool) -> Round:
    """One job; its host is cut off for some seconds, if any."""
    job = here.post(epochs)
    seen = Round(name)
    if seconds:
        _until(lambda: _epoch(here, job) >= CUT_AT * epochs, "the job is at work")
        seen.cut = _owner(here, job)
        before = len(here.log(seen.cut))
        wire(seen.cut, "down")
        members = here.members(seen.cut) if still else []
        for member in members:
            member.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        while time.monotonic() < begun + seconds:
            if seen.taken_back is None and _attempts(here, job) > 1:
                seen.taken_back = time.monotonic() - begun
                seen.taken_by = _owner(here, job)
            time.sleep(0.1)
        wire(seen.cut, "up")
        for member in members:
            with suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGCONT)
        seen.back = _until(lambda: here.is_seen(seen.cut), "the host is seen again")
    wait(here.rows, [job], LONGEST_SECONDS)
    seen.state, _ = here.rows.state(job)
    events = here.rows.events(job)
    seen.ends = sum(events[state] for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED))
    seen.attempts = _attempts(here, job)
    (seen.sha256,) = here.rows.hashes(job)
    if seconds:
        said = here.log(seen.cut)[before:]
        seen.said = ", ".join(what for what in SAID if what in said) or "nothing"
    return seen


SAID = ("lease not renewed", "was taken from this worker", ": stale")
"""The trainer was ended before its lease was over; a supervisor's and a trainer's write refused."""


def _epoch(here: Installation, job: str) -> int:
    return here.rows.fleet(job).epoch


def _attempts(here: Installation, job: str) -> int:
    return here.rows.fleet(job).token


def _owner(here: Installation, job: str) -> str:
    return here.rows.fleet(job).host


def show(rounds: list[Round]) -> bool:
    """Print them; whether all was as it shall be."""
    twin = rounds[0]
    kept = True
    for each in rounds:
        good = (each.state, each.ends) == (State.SUCCEEDED, 1) and each.sha256 == twin.sha256
        if each.cut != "-":
            good = good and each.taken_by not in ("", each.cut) and each.attempts == 2
        kept = kept and good
        bits = "the same bits" if each.sha256 == twin.sha256 else "OTHER BITS"
        print(f"{each.name}: {each.state}, {each.ends} end(s), {each.attempts} attempt(s), {bits}")
        if each.cut != "-":
            taken = "never" if each.taken_back is None else f"after {each.taken_back:.1f} s"
            other = each.taken_by or "nobody"
            print(f"    {each.cut} was cut off: {other} claimed its fleet {taken};")
            print(f"    seen again {each.back:.1f} s after the end of it; said: {each.said}")
    return kept and ("was taken" in rounds[-1].said or "stale" in rounds[-1].said)


def inside(options: argparse.Namespace) -> None:
    """In the hub."""
    print(machine(1))
    with installation(options.inside) as here:
        rounds = [once(here, "undisturbed", 0, options.epochs, still=False)]
        for name, still in (("cut off", False), ("cut off and still", True)):
            rounds.append(once(here, name, options.seconds, options.epochs, still=still))
        kept = show(rounds)
    print("\nall was kept" if kept else "\nNOT ALL WAS KEPT")
    sys.exit(0 if kept else 1)


def main() -> None:
    """Make the network, and go on in it."""
    parser = argparse.ArgumentParser(description="Two hosts, one of which is cut off.")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the cut")
    parser.add_argument("--epochs", type=int, default=4000, help="of the job")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    prepare_to_run()
    if options.inside:
        try:
            inside(options)
        except CannotBeHadError as error:
            print(f"It cannot be tried here: {error}.")
        return
    if os.geteuid() != 0:
        print("Network namespaces need root: nothing was tried.")
        return
    prefix = f"parsimony-{os.getpid()}"
    try:
        with network(prefix):
            command = ["ip", "netns", "exec", f"{prefix}-hub", sys.executable, __file__]
            command += ["--inside", prefix, "--epochs", str(options.epochs)]
            done = subprocess.run([*command, "--seconds", str(options.seconds)], check=False)
    except CannotBeHadError as error:
        print(f"Network namespaces cannot be had here: {error}. Nothing was tried.")
        return
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
