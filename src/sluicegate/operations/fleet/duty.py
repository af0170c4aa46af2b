"""Which worker of a fleet writes its history and tells its notices: whoever holds one key of the ledger's Valkey."""

from __future__ import annotations

from typing import Final

HELD: Final = 5.0  # seconds that the key lasts
SURE: Final = 4.0  # seconds, counted from when it was asked for, that who has it counts on it


class Duty:
    """Whether it is this worker's turn. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._until = float("-inf")
        self._others = False
        self._was_mine = False

    def told(self, mine: bool, asked_at: float) -> None:
        """Who has it, as the ledger says to a question that was put at `asked_at`."""
        self._others, self._was_mine = not mine, mine
        self._until = asked_at + SURE if mine else float("-inf")

    def writes(self, now: float) -> bool | None:
        """True: this worker. False: another one. None: nobody can say, so what there is to write waits."""
        if self._others:
            return False
        return True if now < self._until else None

    def tells(self, now: float) -> bool:
        """Whether this worker tells Users. While nobody can say, who did before goes on: rather twice than never."""
        return self.writes(now) is True or (self._was_mine and not self._others)
