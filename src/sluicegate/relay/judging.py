"""What the gateway's answer means for an SR. Pure: the table is in docs/relay.md."""

from __future__ import annotations

import json
from enum import Enum
from typing import NamedTuple

from sluicegate.dispatch.judge import retry_after
from sluicegate.duis import MalformedMessage, read_response
from sluicegate.front.problems import MEDIA_TYPE, TYPE_PREFIX
from sluicegate.http.call import Answer

UNTOLD_WAIT = 5.0
"""Seconds, where a network is behind and nobody says for how long."""
UNTOLD_THROTTLED = 1.0
"""The same for a 429."""
MOST_PROBLEM = 65_536  # octets of a problem that are read

NOT_OF_THE_MESSAGE = frozenset((401, 407, 408))
"""Every SR would get it: what is wrong stands between the relay and the gateway."""
OF_THE_SENDER = frozenset(("no-certificate", "cut-off", "connections"))
"""The same, by the kind of problem: the relay's certificate, or what it did lately."""
FOR_GOOD = frozenset((501, 505))
BEHIND = "csp-backlog"

_MARKUP = (b"<", b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe", b"\0<")


class Ruling(Enum):
    """What becomes of an SR."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    THROTTLED = "throttled"
    """It may come again, after its Retry-After."""
    BEHIND = "behind"
    """The network of its device is full: it alone waits."""
    FAILED = "failed"
    """There is no answer to it."""


class Verdict(NamedTuple):
    """A ruling, and what belongs to it."""

    ruling: Ruling
    code: str = ""
    """The ResponseCode, the kind of problem, or the status: for the operator."""
    seconds: float = 0.0
    """Of THROTTLED and BEHIND: for how long."""


def judge(answer: Answer, at: float) -> Verdict:
    """What an answer means. `at`: seconds since 1970."""
    status = answer.status
    if 200 <= status <= 299:
        return _success(answer)
    problem = _problem(answer)
    if status in (429, 503):
        seconds = retry_after(answer.fields.get(b"retry-after"), at)
        if problem == BEHIND:
            return Verdict(Ruling.BEHIND, problem, UNTOLD_WAIT if seconds is None else seconds)
        if status == 429 or (seconds is not None and problem not in OF_THE_SENDER):
            return Verdict(Ruling.THROTTLED, problem or str(status), UNTOLD_THROTTLED if seconds is None else seconds)
    if status in NOT_OF_THE_MESSAGE or problem in OF_THE_SENDER or (500 <= status <= 599 and status not in FOR_GOOD):
        return Verdict(Ruling.FAILED, f"{status} {problem}".strip())
    return Verdict(Ruling.REFUSED, f"{status} {problem}".strip())


def _success(answer: Answer) -> Verdict:
    if not _is_markup(answer):
        return Verdict(Ruling.ACKNOWLEDGED, str(answer.status))
    try:
        code = read_response(answer.body).code
    except MalformedMessage:
        # A page that a proxy shows with 200 while the gateway is down: to take it for an acknowledgement would lose it.
        return Verdict(Ruling.FAILED, "a success that is no Response")
    return Verdict(Ruling.ACKNOWLEDGED if code.startswith("I") else Ruling.REFUSED, code)


def _is_markup(answer: Answer) -> bool:
    start = answer.body[:1024].lstrip(b" \t\r\n")
    if not start and len(answer.body) <= 1024:
        return False
    media = answer.fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return start.startswith(_MARKUP) or media.endswith((b"/xml", b"+xml"))


def _problem(answer: Answer) -> str:
    """The kind of problem (RFC 9457) that an answer tells of; empty where it tells none of ours."""
    if not answer.fields.get(b"content-type", b"").startswith(MEDIA_TYPE) or len(answer.body) > MOST_PROBLEM:
        return ""
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    kind = told.get("type") if isinstance(told, dict) else None
    return kind.removeprefix(TYPE_PREFIX) if isinstance(kind, str) and kind.startswith(TYPE_PREFIX) else ""
