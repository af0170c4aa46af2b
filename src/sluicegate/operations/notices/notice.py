"""A notice: what is told over one channel, and what has become of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4, uuid5

WAITING, SENT, GIVEN_UP, SHOWN = STATES = "waiting", "sent", "given up", "shown"
LONGEST_WHY: Final = 300
_OF_KEYS: Final = UUID("6f0d8c2e-6f4b-5d0c-9a53-1d6f1f0b7a41")


class Notice(NamedTuple):
    """One notice to one channel. Times are microseconds since 1970 UTC.

    Attributes:
        id: the same at every attempt, so that whoever gets it twice can tell.
        user, channel: to whom, and where. Without a channel it is only shown; without a user too, to everybody.
        kind: `80%`, `90%`, `100%`, `active`, `normal`, `announcement` or `test`.
        document: what is told, as JSON. See `wording`.
        state: WAITING, SENT, GIVEN_UP or SHOWN.
        due_at: when the next attempt is.
        ended_at: when it was sent or given up; None while it waits.
        why: the last failure; empty where there was none.
    """

    id: str
    user: str
    channel: str
    kind: str
    document: str
    made_at: int
    state: str
    due_at: int
    attempts: int = 0
    ended_at: int | None = None
    why: str = ""

    @property
    def lane(self) -> tuple[str, str]:
        """Whose channel, and which."""
        return self.user, self.channel

    @property
    def told(self) -> Mapping[str, Any]:
        """What is told."""
        document: Mapping[str, Any] = json.loads(self.document)
        return document

    def sent(self, at: int) -> Notice:
        """It has arrived."""
        return self._replace(state=SENT, ended_at=at, attempts=self.attempts + 1, why="")

    def failed(self, why: str, due_at: int) -> Notice:
        """It has not, and is tried again."""
        return self._replace(due_at=due_at, attempts=self.attempts + 1, why=_short(why))

    def given_up(self, why: str, at: int) -> Notice:
        """It is not tried any more."""
        return self._replace(state=GIVEN_UP, ended_at=at, why=_short(why))


def made(
    kind: str, document: Mapping[str, Any], at: int, user: str = "", channel: str = "", key: str = ""
) -> Notice:  # fmt: skip
    """A new one, which is due at once; without a channel it only waits to be seen.

    Args:
        key: of what is told, where several processes see the same and one shall tell it: the same key to the same User
            over the same channel has the same id, of which the database has one.
    """
    told = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    state, ended_at = (WAITING, None) if channel else (SHOWN, at)
    made_id = uuid5(_OF_KEYS, json.dumps([key, user, channel])) if key else uuid4()
    return Notice(made_id.hex, user, channel, kind, told, at, state, at, ended_at=ended_at)


def _short(why: str) -> str:
    line = " ".join(why.split())
    return "".join(c if c.isprintable() else "?" for c in line)[:LONGEST_WHY]
