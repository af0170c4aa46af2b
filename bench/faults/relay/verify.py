"""The relay's rules, each checked over everything that was sent. Pure: from the book and the evidence to violations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from bench.faults.evidence import Arrival, Evidence, Row
from bench.faults.relay.callback import Word
from bench.faults.relay.sender import Asked
from bench.faults.verify import Findings, order
from sluicegate.dispatch.parcel import KEY_OCTETS, OPEN, Kind, State

NOT_TAKEN = frozenset(("busy", "full"))
"""What the gateway's stand-in decides of an arrival that it has not taken: it may come again without a mark."""
LETTER = b"C"


def verify(sent: Iterable[Asked], evidence: Evidence, words: Iterable[Word], callback: bool) -> Findings:
    """Check every rule.

    Args:
        sent: the senders' book.
        evidence: the store's rows, and the journal of the gateway's stand-in.
        words: what the callback was told.
        callback: the mode.
    """
    findings, book = Findings(), {one.request_id: one for one in sent}
    arrived: dict[str, list[Arrival]] = defaultdict(list)
    for arrivals in evidence.arrivals.values():
        for arrival in arrivals:
            arrived[arrival.request_id].append(arrival)
    parcels: dict[bytes, list[Row]] = defaultdict(list)
    letters: dict[bytes, Row] = {}
    for row in evidence.rows:
        if row.kind is Kind.REQUEST:
            parcels[row.key[:KEY_OCTETS]].append(row)
        else:
            letters[row.key] = row
    told: dict[str, list[Word]] = defaultdict(list)
    for word in words:
        if word.taken:
            told[word.request_id].append(word)
    if evidence.broken:
        findings.add("the database is whole", evidence.broken)
    for one in book.values():
        rows = parcels.pop(one.key, [])
        for row in rows:
            _parcel(findings, one, row, arrived[one.request_id])
            if callback:
                _letter(findings, one, row, letters.pop(row.key + LETTER, None), told[one.request_id])
        if callback:
            _taken(findings, one, rows)
        else:
            _held(findings, one, rows, arrived[one.request_id])
        _marks(findings, one, arrived[one.request_id])
    for key in parcels:
        findings.add("nothing is there that nobody sent", key.hex())
    for key in letters:
        findings.add("each answer to the callback has its SR", key.hex())
    for request_id in (arrived.keys() | told.keys()) - book.keys():
        findings.add("nothing is sent or told that nobody asked for", request_id)
    order(findings, book, evidence, arrived, overlaps=False)
    _count(findings, book, evidence, arrived, told)
    return findings


def _parcel(findings: Findings, one: Asked, row: Row, arrivals: list[Arrival]) -> None:
    name = f"{one.request_id}: {row.state.name} {row.code!r}"
    if row.state <= OPEN:
        findings.add("everything comes to its end", name)
        return
    if row.digest != one.digest:
        findings.add("the message is what was sent", name)
    end = row.code.partition(" ")[0]
    if end not in {"acknowledged", "refused", "expired"} or (row.state is State.RETURNED) is not (end == "expired"):
        findings.add("an end is acknowledged, refused or expired", name)
    if end == "acknowledged" and not any(arrival.kind == "I99" for arrival in arrivals):
        findings.add("an acknowledgement is the gateway's", name)


def _letter(findings: Findings, one: Asked, row: Row, letter: Row | None, told: list[Word]) -> None:
    if row.state <= OPEN:
        return
    name = f"{one.request_id}: {row.code!r}"
    if letter is None or letter.state is not State.DELIVERED:
        findings.add("each end is told to the callback", f"{name}: {letter}")
        return
    wanted = "504" if row.state is State.RETURNED else "200"
    if not any(word.status == wanted for word in told):
        findings.add("each end is told to the callback", f"{name}: {told}")
    for word in told:
        if (word.status == "200") is not (word.code == "I99"):
            findings.add("the callback is told the gateway's own octets", f"{name}: {word}")


def _taken(findings: Findings, one: Asked, rows: list[Row]) -> None:
    if one.acked_at is not None and not rows:
        findings.add("what was taken is stored", one.request_id)
    if one.tries == 1 and len(rows) > 1:
        findings.add("each ends once", f"{one.request_id}: {[row.code for row in rows]}")


def _held(findings: Findings, one: Asked, rows: list[Row], arrivals: list[Arrival]) -> None:
    ends = [row.code.partition(" ")[0] for row in rows]
    if "I99" in one.answers and not any(arrival.kind == "I99" for arrival in arrivals):
        findings.add("an acknowledgement is the gateway's", f"{one.request_id} was told so")
    if one.expired and "expired" not in ends:
        findings.add("what its sender is told is what the store has", f"{one.request_id}: expired, and {ends}")
    if one.tries == 1:
        if len(rows) > 1:
            findings.add("each ends once", f"{one.request_id}: {ends}")
        if rows and one.answers and ends[0] != ("expired" if one.expired else "acknowledged"):
            findings.add("what its sender is told is what the store has", f"{one.request_id}: {one.answers}, {ends}")


def _marks(findings: Findings, one: Asked, arrivals: list[Arrival]) -> None:
    """Of one that its sender sent once: whatever comes again after it was taken says so."""
    if one.tries != 1:
        return
    before = False
    for arrival in arrivals:
        if before and not arrival.marked:
            findings.add("a repetition is marked", one.request_id)
        before = before or arrival.kind not in NOT_TAKEN


def _count(
    findings: Findings,
    book: dict[str, Asked],
    evidence: Evidence,
    arrived: dict[str, list[Arrival]],
    told: dict[str, list[Word]],
) -> None:
    counts = findings.counts
    ends = Counter(row.code.partition(" ")[0] for row in evidence.rows if row.kind is Kind.REQUEST)
    counts["sent"] = len(book)
    counts["acknowledged"] = sum(one.acked_at is not None for one in book.values())
    counts["stored"] = sum(row.kind is Kind.REQUEST for row in evidence.rows)
    counts["delivered"], counts["refused"] = ends["acknowledged"], ends["refused"]
    counts["returned"] = ends["expired"]
    counts["arrivals"] = sum(map(len, arrived.values()))
    counts["repetitions"] = sum(arrival.again for arrivals in arrived.values() for arrival in arrivals)
    counts["told"] = sum(map(len, told.values()))
    lost = ("what was taken is stored", "everything comes to its end")
    counts["lost"] = sum(findings.violations[rule] for rule in lost)
