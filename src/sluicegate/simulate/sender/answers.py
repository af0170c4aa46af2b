"""What an answer means to the User who sent the request."""

import enum
import json

from sluicegate.simulate.sender.client import Answer


class Outcome(enum.Enum):
    """Of one attempt."""

    DELIVERED = "delivered"
    """2xx: the DSP took it."""
    THROTTLED = "throttled"
    """The gateway held it back, and said when to come again."""
    REFUSED = "refused"
    """The DSP itself said no: its buffer is full, or it is out of order."""
    BEHIND = "csp-backlog"
    """The CSP of its device is behind: refused for that CSP alone, and told when to come again."""
    FAILED = "failed"
    """No answer, or the gateway's word that it could get none."""


def classify(answer: Answer) -> Outcome:
    """The gateway's refusals are told from the DSP's own by their ``application/problem+json`` body."""
    if 200 <= answer.status < 300:
        return Outcome.DELIVERED
    told = answer.content_type.partition(";")[0].strip().lower() == "application/problem+json"
    kind = _problem_type(answer.body) if told and answer.status in (429, 503) else ""
    if kind.endswith("csp-backlog"):
        return Outcome.BEHIND
    if answer.status == 429:
        return Outcome.THROTTLED
    if not told:
        return Outcome.REFUSED
    if kind.endswith("throttled"):
        return Outcome.THROTTLED
    return Outcome.FAILED


def _problem_type(body: bytes) -> str:
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    kind = problem.get("type") if isinstance(problem, dict) else None
    return kind if isinstance(kind, str) else ""
