"""Why a request was throttled, in words and figures: what a throttled decision comes to for those who ask."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sluicegate.operations.screens.throttled import Decision
from sluicegate.settings import Settings
from sluicegate.settings.problems import figure


def explained(one: Decision, settings: Settings, now: float, wall: float) -> dict[str, Any]:
    """Ready for JSON. `now`: seconds of the monotonic clock; `wall`: the same moment in seconds since 1970."""
    since = one.active_since
    return {
        "request_id": one.request_id,
        "user": one.user,
        "srv": one.srv,
        "duis_version": str(one.version),
        "at": _when(one.at, now, wall),
        "weight": one.weight,
        "state": {"active": since is not None, "since": None if since is None else _when(since, now, wall)},
        "allocation_bank": {
            "level": round(one.level, 3),
            "depth": round(one.depth, 3),
            "allocation": one.allocation,
            "kept_for_more_urgent": one.reserve,
        },
        "all_requests_bank": {"level": round(one.offered, 3)},
        "spare": {"part": round(one.part, 3), "held": round(one.credit, 3)},
        "drill": one.drill,
        "steps": _steps(one),
        "advice": {"status": one.status, "retry_after": one.retry_after, "why": _status(one, settings)},
    }


def _steps(one: Decision) -> list[dict[str, Any]]:
    """The rule, step by step, as it went for this request."""
    weight = figure(one.weight)
    if one.drill:
        said = (
            f"A drill was under way for {one.user}: a part of its requests is throttled for practice, whatever comes."
        )
        return [{"rule": "drill", "held": False, "said": said}]
    kept = f", of which {figure(one.reserve)} are kept for more urgent requests" if one.reserve else ""
    bank = (
        f"The allocation bank held {one.level:.2f} SR{kept}; the request weighs {weight}. It fills at "
        f"{figure(one.allocation)} SR/s, the allocation."
        if one.allocation > 0
        else "This User has no allocation: it lives on the spare."
    )
    debt = f"in debt by {-one.offered:,.2f} SR" if one.offered < 0 else f"at {one.offered:.2f} SR"
    return [
        {"rule": "within the allocation", "held": False, "said": bank},
        {
            "rule": "below the operating threshold",
            "held": False,
            "said": "All Users together sent more than the operating threshold: the bank that counts every request was "
            f"{debt}.",
        },
        {
            "rule": "a part of the spare",
            "held": False,
            "said": (
                f"This User's part of what was left was {one.part:.2f} SR/s, and it had used it: "
                f"{max(0.0, one.credit):.2f} SR were left of it."
            ),
        },
    ]


def _status(one: Decision, settings: Settings) -> str:
    """Why this status."""
    if one.status is None:
        return "It was let through all the same: nothing is enforced."
    least = settings.responses.too_many_requests_from_duis
    if one.status == 429 and one.user in settings.responses.too_many_requests_users:
        return "429, for the User has said that it takes one."
    if one.status == 429:
        return f"429, for the message is in DUIS {one.version}, and from {least} on senders know it."
    if least is None:
        return "503, for no DUIS version knows 429 yet."
    return f"503, for the message is in DUIS {one.version}; from {least} on it would have been 429."


def _when(at: float, now: float, wall: float) -> str:
    return datetime.fromtimestamp(wall - (now - at), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
