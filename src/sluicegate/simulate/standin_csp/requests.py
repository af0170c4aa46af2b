"""What is remembered of each RequestID: how often it came, when, how it was marked, what became of it."""

from array import array
from collections import Counter
from collections.abc import Mapping

from sluicegate.duis import Header

KINDS = (
    "", "I99", "I0", "E21", "failed", "busy", "full", "dropped", "cut", "abandoned",
)  # fmt: skip
"""How an arrival can be answered; "" is not yet."""
_PLACE = {kind: place for place, kind in enumerate(KINDS)}
_MOST = 0xFFFF
_MOST_ATTEMPTS_TOLD = 20


def key_of(header: Header) -> bytes:
    """24 octets: originator, target, counter."""
    text = header.originator + header.target
    return bytes.fromhex(text.replace("-", "")) + header.counter.to_bytes(8, "big")


def request_id(key: bytes) -> str:
    """The RequestID of a key."""
    return f"{key[:8].hex('-').upper()}:{key[8:16].hex('-').upper()}:{int.from_bytes(key[16:24], 'big')}"


def marks_of(fields: Mapping[bytes, bytes]) -> tuple[int, bool]:
    """How a dispatcher marks what it sends: the attempt (0: not said), and whether it may have been sent before."""
    attempt = fields.get(b"sluicegate-attempt", b"")
    known = int(attempt) if attempt.isdigit() and len(attempt) < 5 else 0
    return known, fields.get(b"sluicegate-repeat", b"").lower() == b"yes"


class Requests:
    """RequestIDs by the order of their first arrival, each with a number, 0 first.

    A million cost about 190 MB. Plain numbers in arrays: objects would cost more, and the garbage collector would stop
    the stand-in to walk through them.
    """

    def __init__(self, most: int) -> None:
        """At most ``most`` are remembered: then the oldest quarter is forgotten."""
        self._most = most
        self._numbers: dict[bytes, int] = {}
        self._keys: list[bytes] = []
        self._base = 0  # the number of the oldest that is remembered
        self._count, self._attempt, self._marked = array("H"), array("H"), array("H")
        self._first, self._last = array("d"), array("d")
        self._executed, self._answer = array("B"), array("B")
        self.repeated = {"marked": 0, "unmarked": 0, "marked_after_execution": 0, "unmarked_after_execution": 0}
        self.attempts: Counter[int] = Counter()
        self.executed_in_all = 0
        self.executed_twice = 0

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def in_all(self) -> int:
        """RequestIDs that have come, those included that are forgotten."""
        return self._base + len(self._keys)

    @property
    def forgotten(self) -> int:
        """RequestIDs that are not remembered any more."""
        return self._base

    def arrived(self, key: bytes, now: float, attempt: int = 0, marked: bool = False) -> int:
        """It is here: its number. See `marks_of`."""
        self.attempts[min(attempt, _MOST_ATTEMPTS_TOLD)] += 1
        number = self._numbers.get(key)
        if number is None:
            return self._add(key, now, attempt, marked)
        place = number - self._base
        said = "marked" if marked else "unmarked"
        self.repeated[said] += 1
        if self._executed[place]:
            self.repeated[f"{said}_after_execution"] += 1
        self._count[place] = min(self._count[place] + 1, _MOST)
        self._marked[place] = min(self._marked[place] + marked, _MOST)
        self._attempt[place] = max(self._attempt[place], attempt)
        self._last[place] = now
        return number

    def _add(self, key: bytes, now: float, attempt: int, marked: bool) -> int:
        if len(self._keys) >= self._most:
            self._forget(max(1, self._most // 4))
        number = self._base + len(self._keys)
        self._numbers[key] = number
        self._keys.append(key)
        self._count.append(1)
        self._attempt.append(attempt)
        self._marked.append(marked)
        self._first.append(now)
        self._last.append(now)
        self._executed.append(0)
        self._answer.append(0)
        return number

    def _forget(self, some: int) -> None:
        for key in self._keys[:some]:
            del self._numbers[key]
        self._base += some
        for column in (
            self._keys, self._count, self._attempt, self._marked, self._first, self._last, self._executed, self._answer,
        ):  # fmt: skip
            del column[:some]

    def count(self, number: int) -> int:
        """How often it has arrived."""
        return self._count[number - self._base]

    def executed_as(self, number: int) -> str:
        """The code that it was executed with; "" if it was not executed."""
        return KINDS[self._executed[number - self._base]]

    def execute(self, number: int, code: str) -> None:
        """It is executed now."""
        self.executed_in_all += 1
        self.executed_twice += self._executed[number - self._base] > 0
        self._executed[number - self._base] = _PLACE[code]

    def answered(self, number: int, kind: str) -> None:
        """Its latest arrival was answered so."""
        if number >= self._base:
            self._answer[number - self._base] = _PLACE[kind]

    def page(self, since: int, limit: int) -> dict[str, object]:
        """Those with numbers from ``since`` on, at most ``limit``; ``next`` is where the next page begins."""
        first = max(since, self._base)
        places = range(min(first - self._base, len(self)), min(first - self._base + limit, len(self)))
        return {
            "requests": [self._told(place) for place in places],
            "next": self._base + places.stop if places else first,
            "in_all": self.in_all,
            "forgotten": self.forgotten,
        }

    def _told(self, place: int) -> dict[str, object]:
        return {
            "number": self._base + place,
            "request_id": request_id(self._keys[place]),
            "count": self._count[place],
            "first": round(self._first[place], 3),
            "last": round(self._last[place], 3),
            "attempt": self._attempt[place],
            "marked": self._marked[place],
            "executed": self._executed[place] > 0,
            "answer": KINDS[self._answer[place]],
        }
