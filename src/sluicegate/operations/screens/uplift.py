"""Who still gets 503: the DUIS versions that each User sends, and what uplifting would change."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluicegate.operations.watch import Watched


def versions(watched: Watched, user: str | None = None) -> dict[str, Any]:
    """Counts since the start, ready for JSON. `user`: of this one only."""
    responses, tallies = watched.settings.responses, watched.tallies
    least = responses.too_many_requests_from_duis
    rows = []
    for holder in watched.book.holders:
        if user is not None and holder.name != user:
            continue
        tally = tallies[holder.name]
        said_so = holder.name in responses.too_many_requests_users
        sent = dict(tally.versions)
        rows.append(
            {
                "user": holder.name,
                "role": holder.role,
                "versions": {str(version): count for version, count in sorted(sent.items())},
                "takes_429_always": said_so,
                "below": 0 if said_so else _below(sent, least),
                "answered": {"429": tally.answered_429, "503": tally.answered_503},
            }
        )
    return {"from": None if least is None else str(least), "users": rows}


def _below(sent: Mapping[Decimal, int], least: Decimal | None) -> int:
    """Messages in a version that is answered with 503 where it is throttled."""
    return sum(count for version, count in sent.items() if least is None or version < least)
