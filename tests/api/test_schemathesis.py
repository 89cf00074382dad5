"""Requests drawn from the OpenAPI document, by Schemathesis: a little of each of its phases.

`tests/schemathesis.toml` says how it is run by hand, at length, and which checks are left out.
"""

import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.python import asgi

from service.app import create_app
from tests.api.client import running
from tests.api.keyed import bearer, key_of
from tests.api.work import post, train
from tests.source import ROOT
from worker.settings import ServiceSettings

CONFIG = ROOT / "tests" / "schemathesis.toml"
SHORT: dict[str, Any] = {
    "generation": {
        "max-examples": 3,
        "deterministic": True,
        "no-shrink": True,
        "database": "none",
    },
    # Nobody trains here, so that whoever waits for a job waits for nothing.
    "parameters": {"header.prefer": "wait=0"},
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LONG_COVERAGE = {
    # 5,700 bodies of each, 15 s; `test_fuzz.py` has a few hundred.
    "POST /v1/jobs",
    "POST /v1/jobs/validate",
    # Each answer is drawn, or computed, anew; the parameters are those of `/chart`.
    "GET /v1/jobs/{id}/chart.png",
    "GET /v1/jobs/{id}/chart.svg",
    "GET /v1/jobs/{id}/report",
}
"""Operations for which the phase of coverage, which tries every bound of a schema, takes long."""

SWITCHED_OFF = {
    "POST /v2/repository/models/{name}/unload",
    "DELETE /v1/models/{name}",
    "DELETE /v1/models/{name}/versions/{version}",
}
"""By the configuration."""
UNFINISHED = {"GET /v1/predictions/{id}/result"}
"""Answers only once somebody has scored, and here the newest prediction is always one that was just
posted."""
SELDOM = {
    *("POST /v1/jobs/{id}/pause", "POST /v1/jobs/{id}/resume"),
    *("POST /v1/jobs/{id}/retry", "DELETE /v1/jobs/{id}", "DELETE /v1/predictions/{id}"),
}
"""Answer only in a state to which few of these requests bring a job: `test_life.py` does."""

OFF = {"POST /v1/webhooks", "GET /v1/webhooks/{id}", "DELETE /v1/webhooks/{id}"}
"""Unless a setting names hosts: `test_webhooks.py` does."""


def _as_it_is(context: Any, value: Any) -> bytes:
    """Files are sent as they are drawn."""
    return value if isinstance(value, bytes) else str(value).encode()


for _kind in ("vnd.apache.parquet", "x-ndjson", "jsonlines", "jsonl"):
    schemathesis.serializer(f"application/{_kind}")(_as_it_is)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[events.EngineEvent]]:
    """What happened, event by event, to a service with a data set and the model of a job."""
    # With keys, so that what is asked without one is found, too.
    settings = ServiceSettings(
        state=tmp_path_factory.mktemp("state"),
        keys="required",
        rate_limit="off",
        predict_rate_limit="off",
    )
    with running(settings) as client:
        key = bearer(key_of(client, "default"))
        client.http.headers.update(key)
        assert client.upload("x,y\n" + "1,a\n2,b\n" * 30, target="y").status_code == 201
        linear = {"dataset": {"builtin": "diabetes"}, "network": {"kind": "linear"}}
        train(client, post(client, **linear, model="diabetes"))
        train(client, post(client, dataset={"builtin": "circle"}, model="circle"))
    config = tomllib.loads(CONFIG.read_text(encoding="utf-8")) | SHORT
    config["headers"] = key
    config["checks"]["max_response_time"] = 3600  # a test judges no wall time
    operations = {operation["include-name"]: operation for operation in config["operations"]}
    for name in LONG_COVERAGE:
        operation = operations.setdefault(name, {"include-name": name})
        operation["phases"] = {"coverage": {"enabled": False}}
    # Tracing takes seconds, and is no matter of requests.
    exported = "GET /v1/models/{name}/export"
    operations[exported] = {"include-name": exported, "parameters": {"query.format": "onnx"}}
    config["operations"] = list(operations.values())
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", create_app(settings), config=SchemathesisConfig.from_dict(config)
    )
    yield list(from_schema(schema).execute())
    asgi.shutdown_lifespans()


def scenarios(finished: list[events.EngineEvent]) -> Iterator[events.ScenarioFinished]:
    for event in finished:
        if isinstance(event, events.ScenarioFinished):
            yield event


def test_no_check_fails(finished: list[events.EngineEvent]) -> None:
    """No 5xx, no undocumented status, no answer beside its schema, among others."""
    problems = []
    for scenario in scenarios(finished):
        for case_id, checks in scenario.recorder.checks.items():
            for check in checks:
                if check.failure_info is not None:
                    case = scenario.recorder.cases[case_id].value
                    failure = check.failure_info.failure
                    problems.append((check.name, failure.message, case.as_curl_command()))
    assert not problems
    errors = [event for event in finished if isinstance(event, events.NonFatalError)]
    assert not errors, [(error.label, error.info.message) for error in errors]


def test_every_operation_is_asked_and_answers(
    finished: list[events.EngineEvent], document: dict[str, Any]
) -> None:
    answered: Counter[str] = Counter()
    phases: Counter[str] = Counter()
    for scenario in scenarios(finished):
        phases[scenario.phase.value] += len(scenario.recorder.interactions)
        for case_id, interaction in scenario.recorder.interactions.items():
            if interaction.response is not None and interaction.response.status_code < 300:
                case = scenario.recorder.cases.get(case_id)
                if case is not None:
                    answered[case.value.operation.label] += 1
    operations = {
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item
    }
    expected = operations - SWITCHED_OFF - UNFINISHED - OFF
    unanswered = expected - set(answered) - SELDOM
    assert set(answered) <= expected
    assert not unanswered, unanswered
    assert phases["examples"] >= 50
    assert phases["coverage"] >= 400
    assert phases["fuzzing"] >= 60
    assert phases["stateful"] >= 10
