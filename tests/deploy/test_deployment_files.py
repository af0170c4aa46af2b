"""The files to deploy by hold to their own tools, and to the gateway that they start."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sluicegate.settings import parse

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BIN = Path(sys.executable).parent
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def checked(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def documents(path: Path) -> list[dict]:
    return [one for one in yaml.safe_load_all(path.read_text("utf-8")) if one]


def the(kind: str, name: str) -> dict:
    (found,) = [
        one for path in MANIFESTS for one in documents(path) if one["kind"] == kind and one["metadata"]["name"] == name
    ]
    return found


def test_hadolint_has_nothing_to_say_of_the_container_file():
    checked(BIN / "hadolint", DEPLOY / "container" / "Containerfile")


def test_the_container_file_installs_what_is_pinned_and_runs_as_nobody():
    text = (DEPLOY / "container" / "Containerfile").read_text("utf-8")
    assert "--require-hashes -r requirements-serve.txt" in text
    assert "USER 10001" in text
    pinned = (DEPLOY.parent / "requirements-serve.txt").read_text("utf-8")
    assert {"valkey", "psycopg", "uvloop"} <= set(re.findall(r"^([a-z0-9-]+)==", pinned, re.MULTILINE))


def test_compose_lint_finds_nothing_that_counts():
    checked(BIN / "compose-lint", DEPLOY / "compose" / "compose.yaml")


@pytest.mark.parametrize("path", [p for p in MANIFESTS if p.name != "kustomization.yaml"], ids=lambda path: path.name)
def test_every_manifest_is_what_kubernetes_takes(path):
    checked(BIN / "kubernetes-validate", "--strict", path)


def test_yamllint_has_nothing_to_say():
    checked(BIN / "yamllint", "--strict", "-c", DEPLOY / ".yamllint", DEPLOY / "compose", DEPLOY / "kubernetes")


def test_kustomize_names_every_manifest():
    listed = documents(DEPLOY / "kubernetes" / "kustomization.yaml")[0]["resources"]
    assert sorted(listed) == sorted(p.name for p in MANIFESTS if p.name != "kustomization.yaml")


def test_the_configurations_are_right_and_name_the_ledger_beside_them():
    compose = parse((DEPLOY / "compose" / "sluicegate.toml").read_text("utf-8"), insecure=True)
    (host, _port), *_ = compose.ledger.url.nodes
    assert host in documents(DEPLOY / "compose" / "compose.yaml")[0]["services"]
    kubernetes = parse(the("ConfigMap", "sluicegate")["data"]["sluicegate.toml"], insecure=True)
    (host, port), *_ = kubernetes.ledger.url.nodes
    assert the("Service", host)["spec"]["ports"][0]["port"] == port


def test_a_rolling_restart_has_time_for_the_drain_and_never_fewer_pods():
    deployment = the("Deployment", "sluicegate")["spec"]
    settings = parse(the("ConfigMap", "sluicegate")["data"]["sluicegate.toml"], insecure=True)
    pod = deployment["template"]["spec"]
    sleep = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= sleep + settings.gateway.timeouts.drain
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert pod["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_a_compose_stop_has_time_for_the_drain():
    settings = parse((DEPLOY / "compose" / "sluicegate.toml").read_text("utf-8"), insecure=True)
    grace = documents(DEPLOY / "compose" / "compose.yaml")[0]["services"]["gateway"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > settings.gateway.timeouts.drain
