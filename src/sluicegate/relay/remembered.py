"""Answers whose senders had left: the same message again gets them."""

from __future__ import annotations

from collections import OrderedDict

from sluicegate.http.call import Answer

MOST = 10_000
MOST_OCTETS = 33_554_432
SECONDS = 900.0


class Remembered:
    """By RequestID and digest of the body, for a while and within bounds. Times are monotonic, and passed in."""

    def __init__(self, most: int = MOST, most_octets: int = MOST_OCTETS, seconds: float = SECONDS) -> None:
        self._most, self._most_octets, self._seconds = most, most_octets, seconds
        self._answers: OrderedDict[bytes, tuple[float, bytes, Answer]] = OrderedDict()
        self._octets = 0

    def __len__(self) -> int:
        return len(self._answers)

    def __contains__(self, key: bytes) -> bool:
        """Whether something is known of a RequestID."""
        return key in self._answers

    def put(self, key: bytes, digest: bytes, answer: Answer, now: float) -> None:
        """Remember an answer. The oldest ones make room."""
        self._take(key)
        self._answers[key] = (now, digest, answer)
        self._octets += len(answer.body)
        while self._answers and (
            len(self._answers) > self._most
            or self._octets > self._most_octets
            or next(iter(self._answers.values()))[0] < now - self._seconds
        ):
            self._take(next(iter(self._answers)))

    def get(self, key: bytes, digest: bytes, now: float) -> Answer | None:
        """The answer to this very message."""
        found = self._answers.get(key)
        if found is None or found[1] != digest or found[0] < now - self._seconds:
            return None
        return found[2]

    def _take(self, key: bytes) -> None:
        gone = self._answers.pop(key, None)
        if gone is not None:
            self._octets -= len(gone[2].body)
