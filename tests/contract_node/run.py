"""Reads the OpenAPI document with programs written for Node: `make contract`.

    python -m tests.contract_node.run         reads it
    python -m tests.contract_node.run lock    pins the packages anew, after a change of package.json

Redocly and Spectral must find no error. TypeScript must take the README's bodies, and those of the
documentation, as the types that openapi-typescript makes of it by its default options, and refuse
two that are wrong; and `walk.mts` must go by these types from an upload to a prediction, against a
service. Where there is no Node it says so, and succeeds.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from service.app import create_app
from service.examples import JOBS
from service.installation import installation
from tests.source import ROOT
from worker.settings import ServiceSettings

HERE = Path(__file__).parent
FOLDER = ROOT / "build" / "contract"
OLDEST_NODE = (20, 19)
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"}
TYPES = """import type { paths } from "./schema";

type Content<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Job = Content<NonNullable<paths["/v1/jobs"]["post"]["requestBody"]>>;
type Rows = Content<NonNullable<paths["/v1/models/{name}/predict"]["post"]["requestBody"]>>;
type View = Content<paths["/v1/jobs/{id}"]["get"]["responses"][200]>;
type Answer = Content<paths["/v1/models/{name}/predict"]["post"]["responses"][200]>;

export function winner(job: View): string | null | undefined {
  const kind: "job" = job.object;
  return job.state === "succeeded" && kind === "job" ? job.best?.name : job.error?.message;
}
export function labels(answer: Answer): (string | null | undefined)[] {
  return answer.predictions.map((prediction) => prediction.label);
}
// @ts-expect-error: no such field
export const misspelt: Job = { dataset: { builtin: "iris" }, trainig: {} };
// @ts-expect-error: a network says of which kind it is
export const unkind: Job = { dataset: { builtin: "iris" }, network: { hidden: [3] } };
"""


def readme_bodies() -> Iterator[tuple[str, Any]]:
    """The JSON bodies of the README's curl lines, each with the type that it must have."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("'\"$dataset\"'", "ds_12345678")
    for path, body in re.findall(r"\$PARSIMONY/v1/(\S+?)\"[^`]*?-d '(\{[^']*\})'", text):
        yield "Job" if path == "jobs" else "Rows", json.loads(body)


def source() -> str:
    """The TypeScript file: every body as a constant of its type."""
    bodies = [*readme_bodies(), *(("Job", example["value"]) for example in JOBS.values())]
    kinds = [kind for kind, _ in bodies]
    assert kinds.count("Job") > len(JOBS), "the README has no jobs"
    assert "Rows" in kinds, "the README has no prediction"
    return TYPES + "".join(
        f"export const body{number}: {kind} = {json.dumps(body)};\n"
        for number, (kind, body) in enumerate(bodies)
    )


def missing_node() -> str | None:
    """Why this cannot run here; none when it can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "there is no node and npm on PATH"
    version = run("node", "--version").stdout
    parts = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if parts < OLDEST_NODE:
        return f"node is {version.strip()}, and 20.19 or newer is needed"
    return None


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command in the folder, its output kept."""
    return subprocess.run(
        command,
        cwd=FOLDER,
        env={**os.environ, **QUIET, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """An installed command."""
    return run(str(FOLDER / "node_modules" / ".bin" / name), *arguments)


def installed() -> subprocess.CompletedProcess[str] | None:
    """Install the pinned packages, unless they are there; what npm said if it failed."""
    lock = (HERE / "package-lock.json").read_bytes()
    stamp = FOLDER / "installed"
    if stamp.is_file() and stamp.read_bytes() == lock:
        return None
    done = run("npm", "ci")
    if done.returncode:
        return done
    stamp.write_bytes(lock)
    return None


def redocly() -> tuple[bool, str]:
    """Redocly's findings by its rules `recommended`."""
    done = tool("redocly", "lint", "--config", "redocly.yaml", "--format", "json", "openapi.json")
    start = done.stdout.find("{")
    if start < 0:
        return False, done.stdout + done.stderr
    report = json.loads(done.stdout[start:])
    counts = report["totals"]
    text = f"{counts['errors']} errors, {counts['warnings']} warnings"
    lines = [f"{one['severity']} {one['ruleId']}: {one['message']}" for one in report["problems"]]
    return done.returncode == 0 and not counts["errors"], "\n".join([text, *lines])


def spectral() -> tuple[bool, str]:
    """Spectral's findings by its rules `spectral:oas`."""
    report = FOLDER / "spectral.json"
    report.unlink(missing_ok=True)
    arguments = ("-r", "spectral.yaml", "-f", "json", "-o", report.name, "openapi.json")
    done = tool("spectral", "lint", "--quiet", *arguments)
    if not report.is_file():
        return False, done.stdout + done.stderr
    found = json.loads(report.read_text(encoding="utf-8"))
    errors = [one for one in found if one["severity"] == 0]
    text = f"{len(errors)} errors, {len(found) - len(errors)} warnings"
    lines = [f"{'.'.join(map(str, one['path']))}: {one['message']}" for one in found]
    return done.returncode == 0 and not errors, "\n".join([text, *lines])


def typescript() -> tuple[bool, str]:
    """What TypeScript says of the bodies."""
    made = tool("openapi-typescript", "openapi.json", "--output", "schema.d.ts")
    if made.returncode:
        return False, made.stdout + made.stderr
    (FOLDER / "bodies.ts").write_text(source(), encoding="utf-8")
    done = tool("tsc", "--noEmit", "--strict", "bodies.ts")
    if done.returncode:
        return False, done.stdout + done.stderr
    return walk()


def walk() -> tuple[bool, str]:
    """What the program in TypeScript says, once it is compiled and has asked a service."""
    modern = ("--target", "es2022", "--module", "nodenext", "--skipLibCheck")
    done = tool("tsc", "--strict", *modern, "walk.mts")
    if done.returncode:
        return False, done.stdout + done.stderr
    with installation() as url:
        done = run("node", "walk.mjs", PARSIMONY_URL=url)
    expected = {"state": "succeeded", "trials": 4, "labels": ["yes", "no"]}
    passed = done.returncode == 0 and json.loads(done.stdout) == expected
    return passed, done.stdout + done.stderr


def read() -> int:
    """Run all three; the exit status."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    reason = missing_node()
    if reason is not None:
        line = f"NOT CHECKED: make contract needs Node, and {reason}."
        print("\n".join(["", "!" * len(line), line, "!" * len(line), ""]), file=sys.stderr)  # noqa: T201
        return 0
    prepare()
    failed = installed()
    if failed is not None:
        print(failed.stdout + failed.stderr, file=sys.stderr)  # noqa: T201
        return 1
    document = create_app(ServiceSettings(state=Path("unused"))).openapi()
    (FOLDER / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(timed, (redocly, spectral, typescript)))
    for passed, text in results:
        print("✓" if passed else "✗", text)  # noqa: T201
    return 0 if all(passed for passed, _ in results) else 1


def timed(reader: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
    """What a reader says, with its name and how long it took."""
    began = time.monotonic()
    passed, text = reader()
    return passed, f"{reader.__name__}, {time.monotonic() - began:.0f} s: {text}"


def prepare() -> None:
    """Put into the folder what npm and the tools read."""
    for name in (
        ".npmrc",
        "package.json",
        "package-lock.json",
        "redocly.yaml",
        "spectral.yaml",
        "walk.mts",
    ):
        shutil.copy(HERE / name, FOLDER)


def lock() -> int:
    """Write package-lock.json, without addresses; the exit status."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    prepare()
    done = run("npm", "install", "--package-lock-only")
    print(done.stdout + done.stderr, file=sys.stderr)  # noqa: T201
    pinned = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))
    for package in pinned["packages"].values():
        package.pop("funding", None)
    text = json.dumps(pinned, indent=2) + "\n"
    (HERE / "package-lock.json").write_text(text, encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit({"": read, "lock": lock}["".join(sys.argv[1:])]())
