"""What the gateway is to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.decision import Outcome
from bench.figures import METRICS, Sample, Spread, ratio, spread
from bench.peers import CASES, OURS

FORWARDING, REJECTING, TLS_FORWARDING, TLS_REJECTING = (case.name for case in CASES)
RATIOS = (
    (FORWARDING, "haproxy", 0.5),
    (FORWARDING, "envoy", 2.5),
    (REJECTING, "haproxy", 0.5),
    (TLS_FORWARDING, "haproxy", 0.4),
    (TLS_REJECTING, "haproxy", 0.4),
)
P99_ADDED_MS = 2.0
DECISION_RATIO, SLOWDOWN, PROFILED, GROWTH_OCTETS = 4.0, 1.3, 1.2, 65536


@dataclass(frozen=True)
class Verdict:
    """One target: what was asked, what was measured (median of the rounds), and whether it is reached."""

    what: str
    wanted: str
    measured: Spread
    met: bool


def verdicts(samples: Sequence[Sample]) -> list[Verdict]:
    """Every target that these samples can judge."""
    found = []
    for case, peer, least in RATIOS:
        ours = ratio(samples, case, OURS, peer)
        if ours:
            what = f"{case}: requests/s, ours over {peer}'s"
            found.append(Verdict(what, f">= {least:g}", ours, ours.median >= least))
    added = [METRICS["p99 added ms"](s) for s in samples if (s.case, s.contender) == (FORWARDING, OURS)]
    values = [value for value in added if value is not None]
    if values:
        tail = spread(values)
        what = f"{FORWARDING}: p99 added at half load, ms"
        found.append(Verdict(what, f"<= {P99_ADDED_MS:g}", tail, tail.median <= P99_ADDED_MS))
    return found


def decision_verdicts(outcome: Outcome) -> list[Verdict]:
    """The targets of the bare decision."""
    grown = spread([float(outcome.grown_octets)])
    over, slower, profiled = outcome.over_fixed_window, outcome.slowdown, outcome.profiled
    memory = f"memory grown in {outcome.memory_decisions:,} decisions, octets"
    return [
        Verdict(
            "decisions/s, ours over limits' fixed window", f">= {DECISION_RATIO:g}", over, over.median >= DECISION_RATIO
        ),
        Verdict("decision, slowdown from 10 to 10,000 Users", f"<= {SLOWDOWN:g}", slower, slower.median <= SLOWDOWN),
        Verdict(
            "decision with a profile, its cost over that without",
            f"<= {PROFILED:g}",
            profiled,
            profiled.median <= PROFILED,
        ),
        Verdict(memory, f"<= {GROWTH_OCTETS}", grown, outcome.grown_octets <= GROWTH_OCTETS),
    ]
