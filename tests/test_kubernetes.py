"""The manifests in deploy/: valid by Kubernetes' own schema, and about what exists.

No cluster and no `kustomize` is needed: what a kustomization names is gathered here.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from sqlalchemy import text as sql
from typer.main import get_command

from service.cli import app
from service.listening import GRACE_SECONDS
from tests.databases import Databases
from tests.rows import accept, claimed
from tests.source import ROOT
from worker.runtime import processes
from worker.settings import ServiceSettings

DEPLOY = ROOT / "deploy"
EXAMPLE = DEPLOY / "overlays" / "example"
SCHEMA = ROOT / "tests" / "assets" / "kubernetes-1.34.json"
COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]
SETTINGS = {f"PARSIMONY_{name.upper()}" for name in ServiceSettings.model_fields}
OTHERS = {"HOME", "MPLCONFIGDIR", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"}
"""Variables that are not ours."""
KEDA: dict[str, Any] = {
    "ScaledObject": {
        "type": "object",
        "additionalProperties": False,
        "required": ["scaleTargetRef", "triggers"],
        "properties": {
            "scaleTargetRef": {"type": "object", "required": ["name"]},
            "pollingInterval": {"type": "integer", "minimum": 1},
            "cooldownPeriod": {"type": "integer", "minimum": 0},
            "minReplicaCount": {"type": "integer", "minimum": 0},
            "maxReplicaCount": {"type": "integer", "minimum": 1},
            "triggers": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["type", "metadata"],
                    "properties": {
                        "type": {"const": "postgresql"},
                        "authenticationRef": {"type": "object", "required": ["name"]},
                        "metadata": {
                            "type": "object",
                            "additionalProperties": {"type": "string"},
                            "required": ["query", "targetQueryValue"],
                        },
                    },
                },
            },
        },
    },
    "TriggerAuthentication": {
        "type": "object",
        "additionalProperties": False,
        "required": ["secretTargetRef"],
        "properties": {
            "secretTargetRef": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["parameter", "name", "key"],
                    "properties": {
                        name: {"type": "string"} for name in ("parameter", "name", "key")
                    },
                },
            }
        },
    },
}
"""The specifications of KEDA's kinds, as far as they are used here; its documentation has them."""


def read(path: Path) -> list[dict[str, Any]]:
    return [
        document
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document is not None
    ]


def gather(folder: Path) -> Iterator[dict[str, Any]]:
    """Every kustomization and every resource that one of them names."""
    (kustomization,) = read(folder / "kustomization.yaml")
    yield kustomization
    for entry in [*kustomization.get("resources", []), *kustomization.get("components", [])]:
        path = (folder / entry).resolve()
        assert path.exists(), f"{folder.name} names {entry}"
        yield from gather(path) if path.is_dir() else read(path)


@cache
def everything() -> list[dict[str, Any]]:
    return list(gather(EXAMPLE))


def kinds(*names: str) -> list[dict[str, Any]]:
    return [one for one in everything() if one["kind"] in names]


def named(one: dict[str, Any]) -> str:
    return f"{one['kind']}/{one['metadata']['name']}"


RESOURCES = [one for one in everything() if one["kind"] not in ("Kustomization", "Component")]
PODS = {named(one): one["spec"]["template"] for one in kinds("Deployment", "Job")}
each_pod = pytest.mark.parametrize("pod", PODS.values(), ids=list(PODS))


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["spec"]["containers"]
    found: dict[str, Any] = only
    return found


@cache
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("resource", RESOURCES, ids=map(named, RESOURCES))
def test_it_is_valid(resource: dict[str, Any]) -> None:
    if resource["apiVersion"].startswith("keda.sh/"):
        assert set(resource) == {"apiVersion", "kind", "metadata", "spec"}
        jsonschema.validate(resource["spec"], KEDA[resource["kind"]])
        return
    definition = schema()["kinds"][f"{resource['apiVersion']} {resource['kind']}"]
    reference = {"$ref": f"#/definitions/{definition}", "definitions": schema()["definitions"]}
    jsonschema.Draft202012Validator(reference).validate(resource)


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    (service,) = kinds("Service")
    with pytest.raises(jsonschema.ValidationError, match="targetport"):
        test_it_is_valid({**service, "spec": {"ports": [{"port": 80, "targetport": 8000}]}})


def test_every_file_is_used() -> None:
    """A manifest that no kustomization names is one that nobody applies."""
    used: set[str] = {named(one) for one in RESOURCES}
    for path in DEPLOY.rglob("*.yaml"):
        if path.name != "kustomization.yaml":
            assert {named(one) for one in read(path)} <= used, path.name


def test_no_name_is_given_twice() -> None:
    names = [named(one) for one in RESOURCES]
    assert len(names) == len(set(names))


@each_pod
def test_a_pod_runs_our_command_by_our_image(pod: dict[str, Any]) -> None:
    """Without a registry's host: an overlay says where it is found."""
    assert container(pod)["image"] == "parsimony"
    assert container(pod)["args"][0] in COMMANDS


@each_pod
def test_a_pod_has_no_rights_that_it_does_not_need(pod: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    uid = re.search(r"useradd --uid (\d+)", dockerfile)
    assert uid
    spec, inner = pod["spec"], container(pod)["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == int(uid[1])
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert inner["readOnlyRootFilesystem"] is True
    assert inner["allowPrivilegeEscalation"] is False
    assert inner["capabilities"] == {"drop": ["ALL"]}


@each_pod
def test_a_pod_can_write_where_it_has_to(pod: dict[str, Any]) -> None:
    mounts = {mount["mountPath"]: mount["name"] for mount in container(pod)["volumeMounts"]}
    assert set(mounts.values()) == {volume["name"] for volume in pod["spec"]["volumes"]}
    state = Path(literals()["PARSIMONY_STATE"])
    # Not the volume itself, whose mode lets others write: see ServiceSettings.prepare_state.
    assert {"/tmp", str(state.parent)} <= set(mounts)


@each_pod
def test_a_pod_says_what_it_takes(pod: dict[str, Any]) -> None:
    resources = container(pod)["resources"]
    assert {"cpu", "memory"} <= set(resources["requests"])
    assert "memory" in resources["limits"]


def literals() -> dict[str, str]:
    """The settings that all pods share."""
    (base,) = (one for one in kinds("Kustomization") if "configMapGenerator" in one)
    (settings,) = base["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in settings["literals"])


def urls() -> dict[str, str]:
    lines = [
        line
        for name in ("urls.env", "keys.env")
        for line in (EXAMPLE / name).read_text(encoding="utf-8").split()
    ]
    return dict(line.split("=", 1) for line in lines)


@each_pod
def test_its_settings_exist_and_are_valid(
    pod: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {entry["name"]: entry["value"] for entry in container(pod).get("env", [])}
    given = {**literals(), **urls(), **own}
    assert set(given) <= SETTINGS | OTHERS
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    settings = ServiceSettings()
    assert not settings.database_url.startswith("sqlite")
    assert not settings.embedded_redis
    # Memory that the service promises is there, beside torch itself.
    limit = container(pod)["resources"]["limits"]["memory"]
    if container(pod)["args"] == ["worker"]:
        assert settings.max_job_bytes is not None
        assert settings.max_job_bytes <= int(limit.removesuffix("Gi")) * 2**30 * 0.75


@each_pod
def test_what_its_environment_comes_from_exists(pod: dict[str, Any]) -> None:
    made = {
        generator["name"]
        for one in kinds("Kustomization", "Component")
        for kind in ("configMapGenerator", "secretGenerator")
        for generator in one.get(kind, [])
    }
    for source in container(pod)["envFrom"]:
        (reference,) = source.values()
        assert reference["name"] in made


def test_workers_and_the_service_may_end_in_good_order() -> None:
    settings = ServiceSettings(state=Path("unused"))
    for name, pod in PODS.items():
        seconds = pod["spec"].get("terminationGracePeriodSeconds", 0)
        if "worker" in name:
            assert seconds >= settings.stop_seconds + processes.GRACE_SECONDS
        if "api" in name:
            pause = container(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert seconds >= pause + getattr(settings, "drain_seconds", 0) + GRACE_SECONDS


def test_the_service_is_reached_and_asked_where_it_answers(document: dict[str, Any]) -> None:
    api = container(PODS["Deployment/parsimony-api"])
    environment = {entry["name"]: entry["value"] for entry in api["env"]}
    (port,) = api["ports"]
    assert str(port["containerPort"]) == environment["PARSIMONY_PORT"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert api[probe]["httpGet"]["path"] in document["paths"]
        assert api[probe]["httpGet"]["port"] == port["name"]
    # Not what asks the database: an outage of it is no reason to start the service again.
    assert api["livenessProbe"]["httpGet"]["path"] == "/livez"
    (service,) = kinds("Service")
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    started = api["startupProbe"]["periodSeconds"] * api["startupProbe"]["failureThreshold"]
    assert started > float(literals()["PARSIMONY_MIGRATION_SECONDS"])


def test_selectors_find_pods() -> None:
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    selectors = [one["spec"]["selector"] for one in kinds("Service")]
    selectors += [
        one["spec"]["selector"]["matchLabels"] for one in kinds("Deployment", "PodDisruptionBudget")
    ]
    for selector in selectors:
        assert len([found for found in labels if selector.items() <= found.items()]) == 1


def test_what_scales_has_a_target_and_the_target_no_number_of_its_own() -> None:
    deployments = {one["metadata"]["name"] for one in kinds("Deployment")}
    scaled = {
        one["spec"]["scaleTargetRef"]["name"]
        for one in kinds("HorizontalPodAutoscaler", "ScaledObject")
    }
    assert scaled == deployments
    freed = {
        patch["target"]["name"]
        for one in kinds("Component")
        for patch in one.get("patches", [])
        if yaml.safe_load(patch["patch"]) == [{"op": "remove", "path": "/spec/replicas"}]
    }
    assert freed == scaled


def test_no_secret_is_written_down() -> None:
    keys = [value for name, value in urls().items() if name.endswith(("_KEY", "_KEY_ID"))]
    text = "".join(
        (EXAMPLE / name).read_text(encoding="utf-8") for name in ("urls.env", "keda.env")
    )
    passwords = re.findall(r"password=(\S+)|://[^/@\s]*:([^@\s]+)@", text)
    assert {*keys, *map("".join, passwords)} == {"CHANGE-ME"}
    assert not kinds("Secret")


def test_workers_are_counted_by_a_query_that_postgresql_answers(
    databases: Databases, tmp_path: Path
) -> None:
    queries = {
        one["spec"]["scaleTargetRef"]["name"]: one["spec"]["triggers"][0]["metadata"]["query"]
        for one in kinds("ScaledObject")
    }
    with databases.new("postgresql", tmp_path) as database:
        with database.write() as session:
            for device in (None, None, "cpu", "gpu", "gpu", "gpu"):
                accept(session, device=device)
            _, (fleet,) = accept(session, device="gpu")
            claimed(session, fleet.id)
        with database.read() as session:
            counted = {name: session.scalar(sql(query)) for name, query in queries.items()}
    assert counted == {"parsimony-worker-cpu": 3, "parsimony-worker-gpu": 4}
