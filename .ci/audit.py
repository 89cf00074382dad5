"""Whether what is pinned has known vulnerabilities: `make audit`.

pip-audit asks the index's service of advisories. Where an index has none, a mirror for example, it
finds no package there and ends well, with nothing looked at. So one package is asked for first, and
what could not be looked at is told. Exit status: 0 none is known, 1 some are, 3 nobody could be
asked; with `--where-reachable` 0 instead of 3, and a line that cannot be overlooked.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCKS = ("requirements.lock", "requirements-torch.lock")
PROBE = "starlette"
"""What is asked for first."""
SKIPPED = """
!!! NOT AUDITED: the service that knows of vulnerabilities cannot be reached from here ({why}).
!!! Run `make audit` where it can, before this is given to others.
"""


class UnreachableError(Exception):
    """Nobody could be asked."""


def report_of(program: str, *files: Path) -> list[dict[str, Any]]:
    """What pip-audit says of each pinned package; ``UnreachableError`` where it says nothing."""
    options = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    listed = [word for file in files for word in ("--requirement", str(file))]
    done = subprocess.run(
        [program, *options, "--timeout", "15", *listed],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise UnreachableError(lines[-1]) from None
    return found


def judge(found: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """The exit status, and what to say."""
    skipped = {one["name"]: one["skip_reason"] for one in found if "skip_reason" in one}
    if len(skipped) == len(found):
        raise UnreachableError(next(iter(skipped.values()), "nothing was asked for"))
    told = [f"not audited: {reason}" for reason in skipped.values()]
    bad = [
        f"{one['name']} {one['version']}: {each['id']}, mended in "
        f"{', '.join(each['fix_versions']) or 'no version yet'}"
        for one in found
        for each in one.get("vulns", ())
    ]
    looked_at = len(found) - len(skipped)
    told += bad or [f"no vulnerability is known of {looked_at} packages"]
    return int(bool(bad)), told


def main(program: str, *options: str) -> int:
    """Audit what is pinned."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder) / "probe.txt"
            lines = Path(LOCKS[0]).read_text(encoding="utf-8").splitlines()
            pins = (line.rstrip("\\ ") for line in lines)
            probe.write_text(next(pin for pin in pins if pin.startswith(f"{PROBE}==")))
            judge(report_of(program, probe))
        status, told = judge(report_of(program, *map(Path, LOCKS)))
    except UnreachableError as error:
        print(SKIPPED.format(why=error), file=sys.stderr)
        return 0 if "--where-reachable" in options else 3
    print("\n".join(told))
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
