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
    FAILED = "failed"
    """No answer, or the gateway's word that it could get none."""


def classify(answer: Answer) -> Outcome:
    """The gateway's refusals are told from the DSP's own by their ``application/problem+json`` body."""
    if 200 <= answer.status < 300:
        return Outcome.DELIVERED
    if answer.status == 429:
        return Outcome.THROTTLED
    if answer.content_type.partition(";")[0].strip().lower() != "application/problem+json":
        return Outcome.REFUSED
    if answer.status == 503 and _problem_type(answer.body).endswith("throttled"):
        return Outcome.THROTTLED
    return Outcome.FAILED


def _problem_type(body: bytes) -> str:
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    kind = problem.get("type") if isinstance(problem, dict) else None
    return kind if isinstance(kind, str) else ""
