"""The pages of a stand-in, below /stand-in/: how it is, what has arrived, and how it shall behave from now on."""

import json
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from sluicegate.simulate.answering import Request

FOLDER = b"/stand-in/"
MOST_ROWS, USUAL_ROWS = 10_000, 1000


class Pages:
    """GET status, GET the list, POST control."""

    def __init__(
        self,
        title: str,
        status: Callable[[], Mapping[str, object]],
        listing: tuple[str, Callable[[int, int], Mapping[str, object]]],
        control: Callable[[Mapping[str, object]], Mapping[str, object]],
    ) -> None:
        """``listing`` is a page's name and what gives its rows; ``control`` raises ValueError for what cannot be."""
        self.title = title
        self._status = status
        self._list = listing
        self._control = control

    def asked(self, request: Request) -> None:
        """Here is a whole request."""
        path, _, query = request.target.partition(b"?")
        name = path.removeprefix(FOLDER).decode("ascii", "replace") if path.startswith(FOLDER) else ""
        method = request.method
        try:
            if method == b"GET" and name == "status":
                _tell(request, self._status())
            elif method == b"GET" and name == self._list[0]:
                _tell(request, self._list[1](*_range(query.decode("ascii", "replace"))))
            elif method == b"POST" and name == "control":
                _tell(request, self._control(_changes(request.body)))
            else:
                self._refuse(
                    request,
                    404 if method in (b"GET", b"POST") else 405,
                    f"there are GET /stand-in/status, GET /stand-in/{self._list[0]} and POST /stand-in/control",
                )
        except ValueError as error:
            self._refuse(request, 400, str(error))

    def _refuse(self, request: Request, status: int, why: str) -> None:
        request.answer(status, "text/plain", f"{self.title}: {why}\n".encode())


def _tell(request: Request, what: Mapping[str, object]) -> None:
    request.answer(200, "application/json", json.dumps(what).encode() + b"\n")


def _range(query: str) -> tuple[int, int]:
    asked = parse_qs(query, max_num_fields=10)
    since, limit = (asked.get(name, [usual])[-1] for name, usual in (("since", "0"), ("limit", str(USUAL_ROWS))))
    if not (since.isdecimal() and limit.isdecimal() and len(since) < 16 and len(limit) < 16):
        raise ValueError("since and limit are whole numbers")
    if not 1 <= int(limit) <= MOST_ROWS:
        raise ValueError(f"limit is 1 to {MOST_ROWS}, not {limit}")
    return int(since), int(limit)


def _changes(body: bytes) -> Mapping[str, object]:
    try:
        changes = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError('what is to change is a JSON object, such as {"state": "down"}') from None
    if not isinstance(changes, dict):
        raise ValueError('what is to change is a JSON object, such as {"state": "down"}')  # noqa: TRY004 - of the wire
    return changes
