"""What a notice says: to a program as data, to a person as a line and a few sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sluicegate.operations.notices.watching import ACTIVE, NORMAL, Event

LONGEST_ANNOUNCEMENT: Final = 2000

_TYPES: Final = {
    ACTIVE: "sluicegate.traffic-management.active",
    NORMAL: "sluicegate.traffic-management.normal",
    "announcement": "sluicegate.announcement",
    "test": "sluicegate.notice.test",
}


def type_of(kind: str) -> str:
    """The `type` of the CloudEvent."""
    return _TYPES.get(kind, "sluicegate.allocation.level")


def of_event(event: Event, window: float, enforce: bool = True) -> Mapping[str, Any]:
    """The document of what was seen. `window`: seconds; `enforce`: whether requests are throttled at all."""
    if event.kind == ACTIVE:
        does = (
            "requests above an allocation may be throttled (503, or 429) until it is normal again"
            if enforce
            else "nothing is enforced: requests above an allocation are counted, and let through"
        )
        return _document(
            "Traffic management is active",
            f"The system is at its operating threshold: {does}. Requests within an allocation are not touched.",
            kind=ACTIVE, enforced=enforce,
        )  # fmt: skip
    if event.kind == NORMAL:
        return _document("Traffic management is normal", "Nobody is throttled any more.", kind=NORMAL)
    part = event.offered / event.allocation
    told = (
        f"{event.user} has asked for {event.offered:.4g} SR/s over the last {window:g} s; its allocation is "
        f"{event.allocation:.4g} SR/s ({part:.0%})."
    )
    above = " While traffic management is active, what is above the allocation may be throttled." if part >= 1 else ""
    return _document(
        f"{event.user} is at {event.kind} of its allocation", told + above,
        kind=event.kind, user=event.user, offered=round(event.offered, 3), allocation=round(event.allocation, 3),
        share=round(part, 4), window_seconds=window,
    )  # fmt: skip


def announcement(title: str, text: str) -> Mapping[str, Any]:
    """What the operator tells: capacity that is cut, maintenance, a drill."""
    return _document(title[:200], text[:LONGEST_ANNOUNCEMENT], kind="announcement")


def test(user: str, channel: str, who: str) -> Mapping[str, Any]:
    """What the test button sends."""
    said = f"{who} tests the channel {channel} of {user}. Nothing is wrong, and nothing has to be done."
    return _document(f"Test of the channel {channel}", said, kind="test", user=user, channel=channel)


def _document(title: str, text: str, **data: Any) -> Mapping[str, Any]:
    return {"title": title, "text": text, "data": data}
