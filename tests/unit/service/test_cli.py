"""The command line: what it offers, and how it says what is wrong."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app


def parsimony(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    "command", ["up", "demo", "doctor", "migrate", "gc", "api", "worker", "submit"]
)
def test_every_command_describes_itself(command: str) -> None:
    done = parsimony(command, "--help")
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_an_option_out_of_range_is_named() -> None:
    done = parsimony("up", "--port", "99999")
    assert done.exit_code == 1
    assert "PARSIMONY_PORT (--port)" in done.output
    assert "65535" in done.output


def test_a_variable_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARSIMONY_WORKERS", "none")
    done = parsimony("doctor")
    assert done.exit_code == 1
    assert "PARSIMONY_WORKERS" in done.output


def test_only_the_setting_that_is_wrong_is_named() -> None:
    done = parsimony("up", "--workers", "0")
    assert done.output.count("PARSIMONY_") == 1


def test_a_state_folder_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = parsimony("migrate", "--state", str(tmp_path / "file" / "state"))
    assert done.exit_code == 1
    assert "cannot be written: Not a directory; choose another by --state" in done.output


def test_a_misspelt_variable_is_named_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARSIMONY_STAT", "x")
    done = parsimony("migrate", "--state", str(tmp_path / "state"))
    assert done.exit_code == 0
    assert "did you mean PARSIMONY_STATE?" in done.output


def test_it_says_its_version() -> None:
    assert parsimony("--version").output.strip() == f"parsimony {version('parsimony')}"


def test_migrate_makes_a_database_and_may_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        done = parsimony("migrate", "--state", str(tmp_path / "state"))
        assert done.exit_code == 0, done.output
    assert (tmp_path / "state" / "parsimony.db").exists()


def test_gc_says_what_it_would_remove_and_removes_it(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path))
    parsimony("migrate", *state)
    part = tmp_path / "artefacts" / "datasets" / f".{'a' * 32}.part"
    part.mkdir(parents=True)
    (part / "source").write_bytes(b"12345")
    for path in (part / "source", part):
        os.utime(path, (0, 0))
    folder = part.relative_to(tmp_path / "artefacts").as_posix()
    refused = parsimony("gc", *state)
    assert refused.exit_code == 1
    assert "refers to none of the 1 folders" in refused.output
    found = {"kind": "orphan", "what": folder, "bytes": 5}
    for dry_run in (True, False):
        options = ["--force", "--json", *(["--dry-run"] if dry_run else [])]
        done = parsimony("gc", *state, *options)
        assert json.loads(done.output) == {"dry_run": dry_run, "bytes": 5, "removed": [found]}
        assert part.exists() == dry_run
    assert "0 of these, 0 bytes" in parsimony("gc", *state).output


def test_migrate_checks_and_rehearses(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state"))
    behind = parsimony("migrate", *state, "--check")
    assert (behind.exit_code, "is empty" in behind.output) == (1, True)
    rehearsed = parsimony("migrate", *state, "--dry-run")
    assert (rehearsed.exit_code, "CREATE TABLE job" in rehearsed.output) == (0, True)
    assert parsimony("migrate", *state, "--check").exit_code == 1
    assert parsimony("migrate", *state).exit_code == 0
    assert parsimony("migrate", *state, "--check").exit_code == 0


def test_importing_the_command_line_is_quick() -> None:
    """`parsimony --help` need not load torch."""

    heavy = "('torch', 'httpx', 'sqlalchemy')"
    program = f"import service.cli, sys; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
