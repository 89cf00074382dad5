"""The commands that ask a service, as people and scripts run them, and docs/terminal.md."""

import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import walked
from tests.source import ROOT
from tests.waiting import until

pytestmark = pytest.mark.slow
BIN = Path(sys.executable).parent
QUICK = {"dataset": {"builtin": "circle"}, "training": {"epochs": 3}}
LONG = {
    "dataset": {"builtin": "circle"},
    "network": {"kind": "mlp", "hidden": [50, 50]},
    "training": {"epochs": 3000},
}


def written(folder: Path, spec: object) -> str:
    path = folder / "spec.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    return str(path)


def environment(url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARSIMONY")}
    return {**kept, "PARSIMONY_URL": url, "COLUMNS": "80", "TERM": "xterm"}


def parsimony(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command whose output is a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env=environment(url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class OnATerminal:
    """A command on a terminal of 80 columns, and what it has written so far."""

    def __init__(self, url: str, *arguments: str) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            command = [sys.executable, "-m", "service", *arguments]
            os.execve(sys.executable, command, environment(url))
        os.set_blocking(self._terminal, False)
        self._written = b""
        self._status: int | None = None

    @property
    def written(self) -> str:
        try:
            while piece := os.read(self._terminal, 65536):
                self._written += piece
        except OSError:
            pass  # nothing more yet, or the command has ended
        return self._written.decode(errors="replace")

    def press(self, key: bytes) -> None:
        os.write(self._terminal, key)

    def has_ended(self) -> bool:
        self.written  # noqa: B018 (a full terminal would hold it up)
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status is not None

    def ended(self) -> int:
        until(self.has_ended)
        os.close(self._terminal)
        assert self._status is not None
        return self._status


def plain(text: str) -> str:
    """What a terminal is sent, without colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")


def test_on_a_terminal_a_bar_moves_and_a_table_ends_it(installed: str, tmp_path: Path) -> None:
    run = OnATerminal(installed, "submit", written(tmp_path, QUICK), "--watch")
    code = run.ended()
    text = plain(run.written)
    assert code == 0, text
    assert "\x1b[" in run.written
    assert "━" in text  # the bar
    lines = [line for line in text.splitlines() if line.strip()]
    assert any(line.startswith("configuration") for line in lines)
    assert lines.index(next(line for line in lines if "configuration" in line)) > max(
        number for number, line in enumerate(lines) if "━" in line
    )


def test_ctrl_c_leaves_the_job_and_says_how_to_go_on(installed: str, tmp_path: Path) -> None:
    run = OnATerminal(installed, "submit", written(tmp_path, LONG), "--watch")
    until(lambda: "running" in run.written)
    run.press(b"\x03")
    assert run.ended() == 130
    (job,) = set(re.findall(r"parsimony cancel (job_\w+)", plain(run.written)))
    assert f"parsimony watch {job}" in plain(run.written)
    cancelled = parsimony(installed, "cancel", job)
    assert cancelled.returncode == 0
    watched = parsimony(installed, "watch", job)
    assert (watched.returncode, "cancelled" in watched.stdout) == (4, True)


def test_into_a_pipe_go_plain_lines(installed: str, tmp_path: Path) -> None:
    done = parsimony(installed, "submit", written(tmp_path, QUICK), "--watch")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "━" not in done.stdout
    assert re.search(r"^job_\w+: succeeded$", done.stdout, re.M)
    assert re.search(r"^configuration .*validation loss", done.stdout, re.M)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_curl_line_does_the_same(installed: str, tmp_path: Path) -> None:
    spec = {**QUICK, "name": 'it\'s "quoted" $HOME `x`'}
    line = parsimony(installed, "submit", written(tmp_path, spec), "--curl").stdout
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["name"] == spec["name"]


def test_what_is_wrong_has_a_line_and_an_exit_code(installed: str, tmp_path: Path) -> None:
    path = written(tmp_path, {**QUICK, "regularization": {"dropout": 2}})
    refused = parsimony(installed, "submit", path)
    assert (refused.returncode, "regularization.dropout" in refused.stderr) == (5, True)
    unknown = parsimony(installed, "watch", "job_000000000000000000000000")
    assert unknown.returncode == 5
    nobody = parsimony("http://127.0.0.1:1", "status")
    assert (nobody.returncode, "--url" in nobody.stderr) == (6, True)
    missing = parsimony(installed, "submit", str(tmp_path / "nowhere.yaml"))
    assert (missing.returncode, "cannot be read" in missing.stderr) == (1, True)
    for done in (refused, unknown, nobody, missing):
        assert "Traceback" not in done.stderr
        assert not done.stdout


def test_an_upload_says_what_it_found_and_the_line_that_mends_it(
    installed: str, tmp_path: Path
) -> None:
    rows = "".join(f"0{4000 + n % 7},{n},{'yes' if n > 30 else 'no'}\n" for n in range(60))
    (tmp_path / "loans.csv").write_text(f"zip,income,default\n{rows}")
    file = str(tmp_path / "loans.csv")
    done = parsimony(installed, "upload", file, "--target", "default")
    assert done.returncode == 0, done.stderr
    assert "zip (categorical)" in done.stdout
    line = re.search(r'^→ (\{"columns": \{"zip": .*)$', done.stdout, re.M)
    assert line
    change = json.loads(line[1])
    again = parsimony(
        installed, "upload", file, "--columns", json.dumps(change["columns"]), "--json"
    )
    kinds = {one["name"]: one["kind"] for one in json.loads(again.stdout)["columns"]}
    assert kinds["zip"] == change["columns"]["zip"]


@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl"))), reason="the walk is written for bash"
)
def test_the_walk_of_the_page(
    installed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PARSIMONY_URL", installed)
    watched, looked, refused = walked("docs/terminal.md", installed, tmp_path)
    # Which version depends on the pages that this service has been walked through before.
    assert re.search(r"it is version \d+ of the model circle$", watched, re.M)
    assert re.search(r"^x1,x2,prediction,probability_0,probability_1$", looked, re.M)
    assert re.search(r"^ready$", looked, re.M)
    assert (tmp_path / "report.md").read_text().startswith("# circle, three ways")
    assert (tmp_path / "curves.zip").read_bytes()[:2] == b"PK"
    assert refused.strip() == "exit code 5"
