"""Were controls tampered with? What the audit trail tells of them, against the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, select

from sluicegate.operations.store.control_tables import control
from sluicegate.operations.store.trail import Row

PUT, ENDED = "control put", "control ended"
SAME_PLACE: Final[Mapping[str, str]] = {"observe": "enforcement", "enforce": "enforcement"}
"""Kinds of which only one counts at a time."""


def place(kind: str, user: str | None) -> tuple[str, str | None]:
    """Of the controls of one place the newest counts."""
    return SAME_PLACE.get(kind, kind), user


class ToldControls:
    """What there must be, by the rows of the trail in their order."""

    def __init__(self) -> None:
        self._told: dict[int, dict[str, Any]] = {}
        self._open: dict[tuple[str, str | None], int] = {}

    def note(self, row: Row, details: Mapping[str, Any]) -> None:
        """A row of the audit trail, whatever it is of."""
        if row.did == PUT:
            user = details.get("user")
            at = place(str(details.get("kind")), user)
            before = self._told.get(self._open.get(at, 0))
            if before is not None and (before["until"] is None or before["until"] > row.at):
                before["ended_at"] = row.at
            self._open[at] = row.seq
            self._told[row.seq] = {
                "kind": details.get("kind"), "user": user, "value": details.get("value"), "made_at": row.at,
                "until": details.get("until"), "ended_at": None, "who": row.who, "reason": details.get("reason"),
            }  # fmt: skip
        elif row.did == ENDED and details.get("put") in self._told:
            one = self._told[details["put"]]
            one["ended_at"] = row.at
            self._open.pop(place(one["kind"], one["user"]), None)

    def problems(self, connection: Connection) -> Iterator[str]:
        """What is otherwise in the table."""
        left = dict(self._told)
        for row in connection.execute(select(control).order_by(control.c.seq)).mappings():
            expected = left.pop(row["seq"], None)
            if expected is None:
                yield f"control {row['seq']}: the audit trail knows nothing of it"
                continue
            other = [name for name, value in expected.items() if row[name] != value]
            if other:
                yield f"control {row['seq']} ({row['kind']}): the audit trail says otherwise of its {', '.join(other)}"
        for seq in sorted(left):
            yield f"control {seq}: it was put, and is not there"
