"""What Users are told of controls: everybody of those that are for everybody, a User of its own.

Every gateway on the database sees every control: by the key of what is told, one of them tells it.
"""

from __future__ import annotations

from typing import Final

from sluicegate.operations.controls import kinds
from sluicegate.operations.controls.kinds import Control
from sluicegate.operations.store.trail import shown
from sluicegate.settings.problems import figure

_TITLES: Final = {
    kinds.OBSERVE: "Throttled requests go through for now",
    kinds.ENFORCE: "Throttled requests are refused",
    kinds.OBSERVE_USER: "Your throttled requests go through for now",
    kinds.EMERGENCY: "The maximum capacity is {value} SR/s",
    kinds.THRESHOLD: "Traffic management begins at {value} SR/s",
    kinds.TEMPORARY: "Your allocation is {value} SR/s for a time",
    kinds.DRILL: "A drill throttles {part} of your requests",
}


def announcement(control: Control, *, put: bool) -> tuple[str, str, list[str] | None, str]:
    """Title, text, whom it is for (None: everybody), and its key, the same at every gateway."""
    value = control.value or 0.0
    title = _TITLES[control.kind].format(value=figure(value), part=f"{value:.0%}")
    if not put:
        title = f"Over: {title[0].lower()}{title[1:]}"
    until = f" It ends by itself at {shown(control.until)}." if put and control.until is not None else ""
    if control.kind == kinds.EMERGENCY and put:
        until = f" Where the allocations add up to more, all are cut by the same factor.{until}"
    text = f"{title}.{until} The operator's reason: {control.reason}"
    key = f"control {control.seq} {'put' if put else 'over'}"
    return title, text, None if control.user is None else [control.user], key
