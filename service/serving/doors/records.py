"""The door of `POST /v1/models/{name}/predict`: JSON of few rows, in which nothing is unusual.

All else it gives back: the route in `service/routes/predict.py` reads what is unusual, says what is
wrong, and answers what is right with the same bits.
"""

import re
import time
from typing import Any

import orjson

from service.serving.doors.exchange import PRIVATE_JSON, Call, Reply
from service.serving.engine import FEW_ROWS, ServingEngine
from service.serving.residents import Resident

PATH = re.compile(r"/v1/models/(?P<name>[^/]+)/predict")
_VERSION = re.compile(rb"version=([A-Za-z0-9_.-]{1,64})")
_MOST_BYTES = 64 * 1024
_FIELDS = {"instances", "warnings", "extra"}


class RecordsDoor:
    """Answers what is plain."""

    def __init__(self, engine: ServingEngine) -> None:
        self._engine = engine

    async def __call__(self, call: Call) -> Reply | None:
        """The predictions, or nothing where the request is not plain.

        Raises:
            BusyError: it could not be answered in time.
        """
        begun = time.perf_counter_ns()
        resident = self._resident(call)
        if resident is None or len(call.body) > _MOST_BYTES or not _is_plain_json(call):
            return None
        joiner = resident.joiner
        joiner.check()
        try:
            content = orjson.loads(call.body)
        except orjson.JSONDecodeError:
            return None
        reader = resident.model.plain
        instances = plain_instances(content)
        if reader is None or instances is None:
            return None
        features = reader.features(instances)
        if features is None:
            return None
        read = time.perf_counter_ns()
        joined, place = await joiner.join(features, gone=call.gone)
        computed = time.perf_counter_ns()
        rows = len(features)
        body: dict[str, Any] = {
            "predictions": joined.rows[place : place + rows],
            "model": resident.name,
            "version": resident.version,
        }
        if content.get("warnings", True):
            body["warnings"] = []
            resident.statistics.looked_at += rows
        written = orjson.dumps(body)
        now = time.perf_counter_ns()
        resident.statistics.answered(rows, read - begun, now - computed, now - begun)
        return Reply(written, headers=PRIVATE_JSON)

    def _resident(self, call: Call) -> Resident | None:
        version = None
        if call.query:
            match = _VERSION.fullmatch(call.query)
            if match is None:
                return None
            version = match[1].decode()
        return self._engine.at_hand(call.path["name"], version)


def _is_plain_json(call: Call) -> bool:
    """Whether the body is JSON as it is, and nothing else is asked for by the headers."""
    kind = b""
    for name, value in call.headers:
        if name == b"content-type":
            kind = value
        elif name in (b"content-encoding", b"prefer"):
            return False
    return kind == b"application/json" or kind.startswith(b"application/json;")


def plain_instances(content: Any) -> list[Any] | None:
    """The instances, if nothing stands beside them but what is known and right."""
    if type(content) is not dict:
        return None
    instances = content.get("instances")
    if type(instances) is not list or not 0 < len(instances) <= FEW_ROWS:
        return None
    if len(content) > 1 and not (
        content.keys() <= _FIELDS
        and type(content.get("warnings", True)) is bool
        and content.get("extra", "refuse") == "refuse"
    ):
        return None
    return instances
