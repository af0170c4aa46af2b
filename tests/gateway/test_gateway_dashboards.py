"""What alert rules and the dashboard ask for is what a gateway exposes: each metric, and each label of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from rig import LARGE, Client, configuration, message, request, wait_for
from rig_backpressure import CSPS

from sluicegate.ledger import Told
from sluicegate.ledger.fleet.messages import Look, Seen
from sluicegate.operations.fleet import showing
from sluicegate.operations.metrics import registry

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "sluicegate.rules.yml"
DASHBOARD = DEPLOY / "grafana" / "sluicegate.json"
OF_PROMETHEUS = {"instance", "job", "le"}
OF_EVENTS = {  # exposed with the first event of their kind only
    "sluicegate_csp_full": {"csp"},
    "sluicegate_csp_waiting": {"csp"},
    "sluicegate_refused_by_csp_total": {"user", "csp"},
    "sluicegate_class_decisions_total": {"user", "class", "outcome"},
    "sluicegate_refusals_total": {"problem"},
    "sluicegate_site_answers_total": {"status"},
}
USERS = ({"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 1},)


def expressions() -> dict[str, str]:
    """All that is asked of Prometheus, by where it stands."""
    found = {}
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            found[rule.get("alert") or rule["record"]] = rule["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


class OfFleet(Collector):
    """What `showing.metrics` tells."""

    def __init__(self, watched: Any) -> None:
        self._watched = watched

    def collect(self) -> Iterator[Metric]:
        return showing.metrics(self._watched)


def of_a_fleet() -> str:
    """What a worker of a fleet exposes beside that."""
    told = Told("w", True, None, False, 0.5, 2, 10, 1, 3, "")
    look = Look("e", False, 1.0, 10.0, 20.0, 5.0, 2.0, 1.0, (Seen("w", 0.1, 0.5, 600.0, 1.0, 0.0),))
    fleet = SimpleNamespace(looks=True, last=look, sums=SimpleNamespace(drawn=(10, 1, 3)), writes=lambda: True)
    watched = SimpleNamespace(ledger=SimpleNamespace(told=lambda _now: told), colleagues=fleet)
    made = CollectorRegistry()
    made.register(OfFleet(watched))
    return generate_latest(made).decode()


@pytest.fixture(scope="module")
def metric():
    return re.compile(r"\b(sluicegate_[a-z0-9_]+)(?:\{([^}]*)\})?")


@pytest.fixture
def exposed(gateway, upstream):
    """Names of samples with their labels, and names of families that have none yet."""
    tables = {
        "operations": {"database": "operations.db"},
        "record": {"folder": "record"},
        "admin": {"listen": "127.0.0.1:0"},
        "gateway__backpressure": {"url": "http://127.0.0.1:9"},
        "telemetry": {"endpoint": "http://127.0.0.1:9"},
    }
    running = gateway(configuration(upstream.url, users=USERS, **tables) + CSPS)
    with Client(running.port) as client:
        client.send(request(message())).answer()
    wait_for(lambda: running.desk.totals.upstream)
    text = generate_latest(registry(running.gateway, SimpleNamespace(dropped=0))).decode() + of_a_fleet()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    families = {
        word[2].removesuffix("_total") for line in text.splitlines() if (word := line.split())[:2] == ["#", "TYPE"]
    }
    return found, families


def test_every_metric_that_is_asked_for_is_exposed_with_its_labels(exposed, metric) -> None:
    found, families = exposed
    for where, expression in expressions().items():
        names = metric.findall(expression)
        assert names or "sluicegate:" in expression or "up{" in expression, where
        for name, selector in names:
            labels = found.get(name)
            if labels is None:
                assert name.removesuffix("_total") in families, (where, name)
                labels = OF_EVENTS[name]
            asked = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)\"", selector))
            assert asked <= labels | OF_PROMETHEUS, (where, name, asked - labels)
        by = {label for some in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.split(r",\s*", some)}
        there = set().union(OF_PROMETHEUS, *(found.get(name) or OF_EVENTS.get(name, set()) for name, _ in names))
        assert by <= there, (where, by - there)


def test_every_rule_has_a_severity_and_says_what_is_wrong() -> None:
    alerts = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule
    ]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) > 15
    for rule in alerts:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_panels_of_the_dashboard_overlap_nowhere_and_each_says_what_it_shows() -> None:
    told = json.loads(DASHBOARD.read_text())
    taken: set[tuple[int, int]] = set()
    for panel in told["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["description"]
    assert len({panel["id"] for panel in told["panels"]}) == len(told["panels"])


def test_every_metric_that_is_exposed_is_in_the_documentation(exposed) -> None:
    page = (DEPLOY.parent / "docs" / "metrics.md").read_text()
    missing = [name for name in exposed[1] if not re.search(rf"`{name}(_total)?`", page)]
    assert missing == []
