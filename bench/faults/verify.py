"""The rules, each checked over everything that was sent. Pure: from the Users' book and the evidence to violations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bench.faults.evidence import Arrival, Evidence, Row
from bench.faults.sender import Sent
from sluicegate.dispatch.parcel import OPEN, Kind, State

RETURNS = {"E20", "E21"}
CLOCK = 0.002
"""Seconds by which times in two journals may differ: they are written in milliseconds."""
EXAMPLES = 5


@dataclass
class Findings:
    """What was found. Nothing in `violations` is what was hoped for."""

    violations: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, rule: str, example: str) -> None:
        """A violation."""
        self.violations[rule] += 1
        if len(self.examples[rule]) < EXAMPLES:
            self.examples[rule].append(example)


def verify(sent: Iterable[Sent], evidence: Evidence, overlaps: bool = False) -> Findings:
    """Check every rule.

    Args:
        overlaps: a dispatcher was stopped (SIGSTOP) for longer than its lease: what it had sent may come while, or
            after, its successor sends it, so arrivals after the first are counted and not judged.
    """
    findings, book = Findings(), {one.request_id: one for one in sent}
    requests = {row.key: row for row in evidence.rows if row.kind is Kind.REQUEST}
    arrived: dict[str, list[Arrival]] = defaultdict(list)
    for arrivals in evidence.arrivals.values():
        for arrival in arrivals:
            arrived[arrival.request_id].append(arrival)
    told: dict[str, set[str]] = defaultdict(set)
    for one in evidence.told:
        if one.taken:
            told[one.request_id].add(one.code)
    if evidence.broken:
        findings.add("the database is whole", evidence.broken)
    for each in book.values():
        _one(findings, each, requests.get(each.key), bool(arrived.get(each.request_id)), told[each.request_id])
    _ended(findings, evidence.rows)
    _marked(findings, evidence, overlaps)
    order(findings, book, evidence, arrived, overlaps)
    for request_id in arrived.keys() - book.keys():
        findings.add("nothing is delivered that nobody sent", request_id)
    for csp, executed in evidence.executed.items():
        for request_id in executed:
            if "I0" not in told[request_id]:
                findings.add("each outcome reaches its User", f"{request_id} executed by {csp}")
    _count(findings, book, requests, evidence)
    return findings


def _one(findings: Findings, sent: Sent, row: Row | None, arrived: bool, told: set[str]) -> None:
    name = f"{sent.request_id} ({'acknowledged' if sent.acked_at else 'not acknowledged'})"
    if sent.must_be_refused or (sent.refused and sent.acked_at is None):
        if row is not None or arrived:
            findings.add("what was refused is not delivered", f"{name}: {sent.refused or sent.must_be_refused}")
        return
    if row is None:
        if sent.acked_at is not None:
            findings.add("what was acknowledged is stored", name)
        if arrived:
            findings.add("what was delivered is stored", name)
        return
    if row.digest != sent.digest:
        findings.add("the first body stays", name)
    if row.state is State.DELIVERED:
        if not arrived:
            findings.add("what is DELIVERED has arrived", f"{name}: {row.code}")
        if told & RETURNS:
            findings.add("one end: DELIVERED is not returned as well", f"{name}: {sorted(told)}")
    elif row.state is State.RETURNED and not told & RETURNS:
        findings.add("what is RETURNED reaches its User", f"{name}: {row.code}")


def _ended(findings: Findings, rows: Iterable[Row]) -> None:
    for row in rows:
        if row.state <= OPEN:
            findings.add("everything comes to its end", f"{row.kind.name} to {row.destination}: {row.state.name}")
        elif row.kind is Kind.RESPONSE and row.state is not State.DELIVERED:
            findings.add("every Response is delivered", f"to {row.destination}: {row.state.name} {row.code}")


def _marked(findings: Findings, evidence: Evidence, overlaps: bool) -> None:
    for csp, arrivals in evidence.arrivals.items():
        for arrival in arrivals:
            if arrival.again and not arrival.marked:
                if overlaps:
                    findings.counts["overlapping repetitions"] += 1
                else:
                    findings.add("a repetition is marked", f"{arrival.request_id} at {csp}, attempt {arrival.attempt}")
    came: set[tuple[str, str]] = set()
    for told in evidence.told:
        if (told.request_id, told.code) in came and not told.marked:
            if told.code not in RETURNS:  # a CSP that was not answered dates its outcome anew: it is another message
                findings.counts["outcomes told twice"] += 1
            elif overlaps:
                findings.counts["overlapping repetitions"] += 1
            else:
                findings.add("a repeated Response is marked", f"{told.request_id} {told.code}")
        came.add((told.request_id, told.code))


def order(
    findings: Findings,
    book: dict[str, Sent],
    evidence: Evidence,
    arrived: dict[str, list[Arrival]],
    overlaps: bool,
) -> None:
    """Of one device: who was acknowledged before the next was sent arrives before it, and is not repeated after it."""
    for arrivals in evidence.arrivals.values():
        devices: dict[str, list[tuple[bool, Sent]]] = defaultdict(list)
        for arrival in arrivals:
            one = book.get(arrival.request_id)
            if one is not None:
                devices[one.device].append((not arrival.again, one))
        for of_device in devices.values():
            for first, earlier, later in _overtaken(of_device):
                name = f"{earlier.request_id} after {later.request_id}"
                if first:
                    findings.add("order of a device: first arrivals", name)
                elif overlaps:
                    findings.counts["overlapping repetitions"] += 1
                else:
                    findings.add("order of a device: no repetition after the next", name)
    for one in book.values():
        before = one.preceding
        if before is None or not arrived.get(one.request_id) or not arrived.get(before.request_id):
            continue
        if before.acked_at is None or before.acked_at > one.sent_at:
            continue
        if arrived[before.request_id][0].at > arrived[one.request_id][0].at + CLOCK:
            findings.add("order of a chain", f"{before.request_id} after {one.request_id}")


def _overtaken(arrivals: Iterable[tuple[bool, Sent]]) -> Iterator[tuple[bool, Sent, Sent]]:
    """Pairs of arrivals where the later one in time was acknowledged before the other was sent."""
    latest: Sent | None = None
    for first, one in arrivals:
        if latest is not None and one.acked_at is not None and one.acked_at <= latest.sent_at:
            yield first, one, latest
        if first and (latest is None or one.sent_at > latest.sent_at):
            latest = one


def _count(findings: Findings, book: dict[str, Sent], requests: dict[bytes, Row], evidence: Evidence) -> None:
    counts = findings.counts
    counts["sent"] = len(book)
    counts["acknowledged"] = sum(one.acked_at is not None for one in book.values())
    states = Counter(row.state for row in requests.values())
    counts["stored"], counts["delivered"] = len(requests), states[State.DELIVERED]
    counts["returned"] = states[State.RETURNED]
    all_arrivals = [arrival for arrivals in evidence.arrivals.values() for arrival in arrivals]
    counts["arrivals"] = len(all_arrivals)
    counts["repetitions"] = sum(arrival.again for arrival in all_arrivals)
    counts["responses"] = sum(row.kind is Kind.RESPONSE for row in evidence.rows)
    counts["late"] = sum(one.late for one in evidence.told)
    counts["lost"] = findings.violations["what was acknowledged is stored"]
