"""Stored states: databases and files of releases before, and what the service answers on them.

Each archive holds ``parsimony.db``, ``artefacts/`` and ``answers.json``.
"""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from tests.api.client import Client

ASSETS = Path(__file__).parent / "assets"
ARCHIVES = ("state-0001.zip", "state-0002.zip", "state-0006.zip")
"""By the migration that the database was written at."""
ANSWERS = "answers.json"
MODEL = "shapes"
INSTANCES: list[Any] = [
    {"size": 0.5, "weight": 3.0, "colour": "red"},
    {"size": 6.0, "weight": None, "colour": "blue"},
    [2.5, 9.0, "red"],
]
VARYING = {"issued_at", "detail"}
"""What a certificate says of the moment."""
UNRECORDED = (".png", "/export", "/statistics")
"""What is no JSON, and what is of this process rather than of the state."""
CLOSE = 1e-5
"""Predictions differ by rounding between machines; what is only read does not."""


def unpack(archive: str, folder: Path) -> dict[str, Any]:
    """Make a state folder of an archive; the answers that were recorded, by method and path."""
    with ZipFile(ASSETS / archive) as packed:
        packed.extractall(folder)
    recorded: dict[str, Any] = json.loads((folder / ANSWERS).read_text(encoding="utf-8"))
    return recorded


def settle(client: Client) -> None:
    """Have removed what this release keeps no longer; else it might go while answers are read."""
    list(client.services.collector.collect())


def answers(client: Client, requests: Iterable[str]) -> dict[str, Any]:
    """What is answered to each request, a method and a path; the only POST is a prediction."""
    found = {}
    for request in requests:
        method, _, path = request.partition(" ")
        body = {"json": {"instances": INSTANCES}} if method == "POST" else {}
        answer = client.request(method, path, **body)
        if "json" in answer.headers["content-type"]:  # the other files have their own tests
            found[request] = {"status": answer.status_code, "body": answer.json()}
    return found


def readings(client: Client) -> Iterator[str]:
    """All requests that read what is stored, and a prediction."""
    places: dict[str, list[dict[str, str]]] = {
        **{
            path: [{"id": row["id"]} for row in client.get(path).json()["data"]]
            for path in ("/v1/datasets", "/v1/jobs", "/v1/predictions")
        },
        "/v1/models": [{"name": MODEL, "version": "1"}],
    }
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        root = "/".join(path.split("/")[:3])
        is_stored = root in places and not path.endswith(UNRECORDED)
        if is_stored and _answers_json(methods):
            filled = [path.format(**place) for place in places[root]] if "{" in path else [path]
            yield from (f"GET {each}" for each in filled)
    yield f"POST /v1/models/{MODEL}/predict"


def _answers_json(methods: dict[str, Any]) -> bool:
    """Whether a path is read, and its answers are documents rather than files or pictures."""
    answers = methods.get("get", {}).get("responses", {})
    return "application/json" in answers.get("200", {}).get("content", {})


def differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """Where two JSON documents differ, beyond rounding."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            if key in VARYING and "certificate" in place:
                continue
            if key not in before or key not in now:
                yield f"{place}/{key}: {'new' if key in now else 'gone'}"
            else:
                yield from differences(before[key], now[key], f"{place}/{key}")
    elif isinstance(before, list) and isinstance(now, list):
        # A certificate may have further checks since.
        grown = place.endswith("/certificate/body/checks") and len(now) > len(before)
        if len(before) != len(now) and not grown:
            yield f"{place}: {len(before)} entries before, {len(now)} now"
        for number, (old, new) in enumerate(zip(before, now, strict=False)):
            yield from differences(old, new, f"{place}/{number}")
    elif isinstance(before, float) and isinstance(now, float):
        if not math.isclose(before, now, rel_tol=CLOSE, abs_tol=CLOSE):
            yield f"{place}: {before} before, {now} now"
    elif before != now or type(before) is not type(now):
        yield f"{place}: {before!r:.80} before, {now!r:.80} now"
