"""A scenario by its name or file: read, changed, checked as a whole, built."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate.settings.crosschecks import still_standing
from sluicegate.settings.problems import Finding, figure, place
from sluicegate.settings.problems import Path as Place
from sluicegate.settings.reading import validated
from sluicegate.simulate.scenario.building import world_of
from sluicegate.simulate.scenario.checks import check
from sluicegate.simulate.scenario.document import Document
from sluicegate.simulate.scenario.flows import FlowsError, Traffic, traffic_of
from sluicegate.simulate.scenario.layers import Layers, read_layers
from sluicegate.simulate.scenario.overrides import override
from sluicegate.simulate.scenario.population import Member, members
from sluicegate.simulate.scenario.problems import ScenarioError
from sluicegate.simulate.source import Source
from sluicegate.simulate.traffic import Arrivals, Bursts, Rates
from sluicegate.simulate.world import World

MOST_REQUESTS = 1e9

_TIME = "00:00"
_ENTRIES: Mapping[str, Mapping[str, Any]] = {
    "csp": {"name": "?", "share": 1.0, "capacity": 1.0},
    "retry": {"name": "?", "habit": "none"},
    "shape": {"name": "?", "hours": [1.0] * 24},
    "kind": {"name": "?", "srv": "2.2"},
    "group": {"name": "?", "role": "IS", "count": 1},
    "user": {"name": "?", "role": "IS"},
    "surge": {"name": "?", "from": _TIME, "until": "24:00"},
}
_SPAN = {"from": _TIME, "until": "24:00"}
_CHANGE = {"from": _TIME, "part": 1.0}
_STAND_INS: Mapping[Place, Any] = {
    ("title",): "?",
    ("capacity",): {"maximum": 1e6},
    ("capacity", "maximum"): 1e6,
    ("dsp",): {"capacity": 1.0},
    ("dsp", "capacity"): 1.0,
    ("dsp", "change", "*"): _CHANGE,
    **{("dsp", "change", "*", key): value for key, value in _CHANGE.items()},
    ("csp", "*", "outage", "*"): _SPAN,
    **{("csp", "*", "outage", "*", key): value for key, value in _SPAN.items()},
    **{(name, "*"): dict(entry) for name, entry in _ENTRIES.items()},
    **{(name, "*", key): value for name, entry in _ENTRIES.items() for key, value in entry.items()},
}


@dataclass(frozen=True)
class Scenario:
    """What is simulated, and where its arrivals come from. `seed` and `policies` are what the file proposes."""

    name: str
    seed: int
    policies: tuple[str, ...]
    world: World
    rates: Rates
    bursts: Bursts

    def source(self, seed: int) -> Source:
        """The arrivals of one seed (0 or more)."""
        return Arrivals(self.rates, self.bursts, seed)


def load(name_or_path: str, *, scale: float | None = None, overrides: Mapping[str, object] | None = None) -> Scenario:
    """A shipped scenario by its name, or one from a TOML file.

    `scale` multiplies every rate, in place of the file's own `scale`. `overrides` are values by dotted paths, put in
    before anything is checked: `{"capacity.operating_threshold": 0.8, "user.Large Supplier A.allocation": 90}`.
    Raises ScenarioError, which holds all that is wrong.
    """
    layers = read_layers(name_or_path)
    given = dict(overrides or {})
    if scale is not None:
        given["scale"] = scale
    said = override(layers, given)
    document, findings = validated(Document, layers.document, _STAND_INS)
    if document is not None:
        wrong = [finding.path for finding in findings]
        findings += still_standing(check(document), wrong)
    if said or findings or document is None:
        raise ScenarioError([*said, *_sentences(findings, layers, name_or_path)])
    people = members(document)
    try:
        traffic = traffic_of(document, people, document.scale)
    except FlowsError as error:
        raise ScenarioError(_sentences(error.findings, layers, name_or_path)) from None
    return _scenario(Path(name_or_path).stem, document, people, traffic)


def _scenario(name: str, document: Document, people: list[Member], traffic: Traffic) -> Scenario:
    requests = float(traffic.rates.totals.sum())
    if requests > MOST_REQUESTS:
        raise ScenarioError(
            [f"{name}: about {requests:.3g} SRs would arrive, and {figure(MOST_REQUESTS)} are the most: lower `scale`"]
        )
    return Scenario(
        name,
        document.seed,
        document.policies,
        world_of(name, document, people, traffic),
        traffic.rates,
        Bursts(document.bursts.spread, document.bursts.minutes, document.bursts.together),
    )


def _sentences(findings: Iterable[Finding], layers: Layers, name: str) -> list[str]:
    """File, line, key and what to do, in the order of the lines."""
    said = []
    for finding in findings:
        source, line = layers.origin(finding.path) or (name, None)
        where = place(finding.path, layers.document)
        at = f"{source}:{line}" if line is not None else source
        said.append(((source, line or 0), f"{at}: {where}: {finding.message}"))
    return [sentence for _, sentence in sorted(said, key=lambda pair: pair[0])]
