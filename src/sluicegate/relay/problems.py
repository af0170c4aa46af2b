"""What the relay itself answers: problem details (RFC 9457). Never an acknowledgement."""

from __future__ import annotations

import json

from sluicegate.dispatch.problems import MEDIA_TYPE, Problem, rendered
from sluicegate.duis import key_text
from sluicegate.http.call import Answer
from sluicegate.relay.errand import Errand

EXPIRED = Problem("expired", 504, "The deadline has passed")
STORE = Problem("store", 503, "The message cannot be made safe now")
FULL = Problem("relay-full", 503, "As much waits as the relay may keep")
DRAINING = Problem("draining", 503, "The relay is about to stop")
WISH = Problem("wish", 400, "A field Sluicegate-* that cannot be understood")


def problem(kind: Problem, detail: str, retry_after: int | None = None, **more: object) -> Answer:
    """An answer with a problem."""
    fields = {b"content-type": MEDIA_TYPE}
    if retry_after is not None:
        fields[b"retry-after"] = b"%d" % retry_after
    return Answer(kind.status, fields, rendered(kind, detail, retry_after=retry_after, **more))


def accepted(errand: Errand) -> Answer:
    """202: it is safe. Not an acknowledgement, and not to be taken for one."""
    told = {"request_id": key_text(errand.key), "deadline": errand.due_at, "status": "waiting"}
    return Answer(202, {b"content-type": b"application/json"}, json.dumps(told).encode())


def expired(errand: Errand, why: str) -> Answer:
    """What became of an SR that has no acknowledgement."""
    return problem(
        EXPIRED,
        why,
        request_id=key_text(errand.key),
        attempts=errand.attempts,
        may_have_been_sent=errand.repeated,
    )
