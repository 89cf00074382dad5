"""Keys over real connections: the express asks for them as the application does, and several
processes know within a second what was revoked in a third.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.api.client import running
from tests.api.keyed import bearer
from tests.api.work import post, train
from tests.integration.served import serving
from tests.waiting import until
from worker.caller import Permission
from worker.settings import ServiceSettings
from worker.storage import keys
from worker.storage.database import Database

PATH = "/v1/models/circle/predict"
BODY = {"instances": [[0.1, 0.2]]}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of the tenant `default`."""
    folder = tmp_path_factory.mktemp("state")
    with running(ServiceSettings(state=folder)) as client:
        train(client, post(client, dataset={"builtin": "circle"}, model="circle"))
    return folder


def made(state: Path, tenant: str, *permissions: Permission) -> str:
    database = Database(f"sqlite:///{state}/parsimony.db")
    try:
        with database.write() as session:
            scopes = permissions or Permission
            return keys.make_key(session, tenant=tenant, scopes=scopes).text
    finally:
        database.close()


@pytest.fixture(scope="module")
def address(state: Path) -> Iterator[str]:
    settings = ServiceSettings(state=state, keys="required", predict_rate_limit="200/day")
    with serving(settings) as served:
        httpx.post(f"{served}{PATH}", json=BODY, headers=bearer(made(state, "default")))
        yield served


def test_the_express_asks_for_a_key_and_for_what_it_is_good_for(state: Path, address: str) -> None:
    predicts, reads = (made(state, "default", one) for one in (Permission.PREDICT, Permission.READ))
    other = made(state, "other")
    with httpx.Client(base_url=address) as client:
        good = client.post(PATH, json=BODY, headers=bearer(predicts))
        again = client.post(PATH, json=BODY, headers=bearer(predicts))
        assert (good.status_code, again.status_code) == (200, 200)
        assert again.json()["predictions"] == good.json()["predictions"]
        assert "vary" not in again.headers  # the application's way says by what it varies
        assert again.headers["ratelimit-policy"] == '"predict";q=200;w=86400'
        assert again.headers["ratelimit"].startswith('"predict";r=198;t=')
        by_application = client.post(PATH, json=BODY | {"mc_samples": 0}, headers=bearer(predicts))
        assert by_application.headers["ratelimit"].startswith('"predict";r=197;t=')
        assert client.post(PATH, json=BODY, headers=bearer(reads)).status_code == 403
        assert client.post(PATH, json=BODY, headers=bearer(other)).status_code == 404
        for wrong in ({}, bearer(predicts[:-1] + "x"), bearer(keys.new_text())):
            answer = client.post(PATH, json=BODY, headers=wrong)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Bearer realm="parsimony"'


def test_a_spent_budget_of_predictions_leaves_the_rest(state: Path, address: str) -> None:
    key = made(state, "default")
    with httpx.Client(base_url=address, headers=bearer(key)) as client:
        answers = [client.post(PATH, json=BODY).status_code for _ in range(201)]
        assert answers == [200] * 200 + [429]
        refused = client.post(PATH, json=BODY)
        assert refused.json()["code"] == "quota_exceeded"
        assert 0 < int(refused.headers["retry-after"]) <= 86400
        assert refused.headers["ratelimit"].startswith('"predict";r=0;t=')
        assert client.get("/v1/jobs").status_code == 200
        job = client.post("/v1/jobs", json={"dataset": {"builtin": "circle"}}).json()["id"]
        assert client.post(f"/v1/jobs/{job}/cancel").status_code == 200
        assert client.get("/livez").status_code == 200


def test_without_keys_nothing_is_reached_from_elsewhere(tmp_path: Path) -> None:
    for command in ("api", "up"):
        options = ["--host", "0.0.0.0", "--port", "0"]
        run = CliRunner().invoke(app, [command, *options], env={"PARSIMONY_STATE": str(tmp_path)})
        assert run.exit_code == 1
        assert run.stderr == (
            "parsimony: 0.0.0.0 is reached from other machines, and there is no key: make one by "
            "`parsimony keys create`, or listen on 127.0.0.1\n"
        )


@pytest.mark.slow
def test_a_key_is_good_and_gone_in_every_process(state: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PARSIMONY_")}
    environment |= {"PARSIMONY_STATE": str(state), "PARSIMONY_KEYS": "required", "COLUMNS": "200"}
    parsimony = [sys.executable, "-m", "service"]

    def told(*arguments: str) -> str:
        done = subprocess.run(
            [*parsimony, *arguments], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    first = told("keys", "create", "--expires", "1h", "--name", "first")
    command = [*parsimony, "api", "--port", "0", "--processes", "2"]
    parent = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )
    with parent, ExitStack() as stack:
        try:
            assert parent.stdout is not None
            lines = []
            for line in parent.stdout:
                lines.append(line)
                if "Ctrl-C" in line:
                    break
            address = re.findall(r"http://127\.0\.0\.1:\d+", "".join(lines))[0]
            assert "-H 'Authorization: Bearer '$PARSIMONY_KEY" in "".join(lines)
            clients = [
                stack.enter_context(httpx.Client(base_url=address, timeout=60)) for _ in range(8)
            ]

            def statuses(key: str) -> set[int]:
                return {
                    client.post(PATH, json=BODY, headers=bearer(key)).status_code
                    for client in clients
                }

            assert statuses(first) == {200}
            second = told("keys", "create", "--scopes", "predict")
            assert statuses(second) == {200}  # at once, in both
            assert len(told("keys", "list").splitlines()) >= 3
            revoked = told("keys", "revoke", keys.key_id(first) or "")
            assert "is revoked" in revoked
            until(lambda: statuses(first) == {401})
            assert statuses(second) == {200}
            told_lines = [json.loads(line) for line in told("audit").splitlines()]
            actions = [line["action"] for line in told_lines]
            assert [action for action in actions if action.startswith("cli.")][-3:] == [
                "cli.keys.create",
                "cli.keys.create",
                "cli.keys.revoke",
            ]
        finally:
            parent.terminate()
            parent.wait(30)
