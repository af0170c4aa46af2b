"""What a stand-in User remembers: the Responses that came, and what was taken of each RequestID."""

from collections import Counter
from typing import NamedTuple

from sluicegate.duis.response import ResponseHeader

_MOST_CODES = 1000


class Row(NamedTuple):
    """One arrival of a Response."""

    at: float
    header: ResponseHeader
    kind: str
    """`taken`, `repeated` (taken before), `failed`, `busy`, `hung`; with `dropped` and `cut` it was taken as well."""
    fields: tuple[str, ...]
    """As in `FIELDS`; "" where it was not there."""


FIELDS = ("late", "repeat", "attempt", "attempts", "try-again-after")


class Responses:
    """Arrivals in their order, and what was taken of each RequestID."""

    def __init__(self, most: int) -> None:
        """At most ``most`` are remembered: then the oldest quarter is forgotten."""
        self._most = most
        self._rows: list[Row] = []
        self._base = 0
        self._taken: dict[str, tuple[str, ...]] = {}  # codes by RequestID, or by ResponseID where there is none
        self.codes: Counter[str] = Counter()
        self.repeated = {"marked": 0, "unmarked": 0}
        self.late = self.several_codes = self.ids = 0

    @property
    def in_all(self) -> int:
        """Arrivals, those included that are forgotten."""
        return self._base + len(self._rows)

    def has(self, header: ResponseHeader) -> bool:
        """Whether this Response was taken before."""
        return header.code in self._taken.get(who(header), ())

    def take(self, header: ResponseHeader, fields: tuple[str, ...]) -> None:
        """It is taken."""
        late, repeat = fields[:2]
        if self.has(header):
            self.repeated["marked" if repeat.lower() == "yes" else "unmarked"] += 1
            return
        known = who(header)
        codes = self._taken.get(known)
        if codes is None:
            if len(self._taken) >= self._most:
                for old in list(self._taken)[: max(1, self._most // 4)]:
                    del self._taken[old]
            self.ids += 1
            self._taken[known] = (header.code,)
        else:
            self.several_codes += len(codes) == 1
            self._taken[known] = (*codes[-20:], header.code)
        self.late += late.lower() == "yes"
        self.codes[header.code if len(self.codes) < _MOST_CODES or header.code in self.codes else "other"] += 1

    def note(self, row: Row) -> None:
        """One arrival."""
        if len(self._rows) >= self._most:
            some = max(1, self._most // 4)
            del self._rows[:some]
            self._base += some
        self._rows.append(row)

    def page(self, since: int, limit: int) -> dict[str, object]:
        """Those with numbers from ``since`` on, at most ``limit``; ``next`` is where the next page begins."""
        first = max(since, self._base)
        rows = self._rows[first - self._base : first - self._base + limit]
        return {
            "responses": [_told(number, row) for number, row in enumerate(rows, first)],
            "next": first + len(rows),
            "in_all": self.in_all,
            "forgotten": self._base,
        }


def who(header: ResponseHeader) -> str:
    """The SR that it answers; where it answers none, the Response itself."""
    return header.request_id or header.response_id or ""


def _told(number: int, row: Row) -> dict[str, object]:
    named = {name.replace("-", "_"): value for name, value in zip(FIELDS, row.fields, strict=True)}
    header = row.header
    return {
        "number": number,
        "at": round(row.at, 3),
        "request_id": header.request_id or "",
        "response_id": header.response_id or "",
        "code": header.code,
        "kind": row.kind,
        **named,
    }
