"""Outcomes: what a CSP tells later of the SRs that it has acknowledged. Each is posted until it is taken (200)."""

import asyncio
import heapq
import re

from sluicegate.simulate.messages import response
from sluicegate.simulate.sender.client import Client, NoAnswerError

MOST_WAITING = 200_000
AT_ONCE = 32
TIMEOUT = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

_URL = re.compile(r"http://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(/[!-~]*)?")

_Entry = tuple[float, int, int, str, str]  # due, number, tries that failed, RequestID, SRV


def read_url(url: str) -> tuple[str, int, str]:
    """Host, port, path. Raises ValueError for anything but http://HOST[:PORT]/PATH."""
    form = _URL.fullmatch(url)
    if form is None or int(form[2] or 80) > 65535:
        raise ValueError("an address for outcomes is http://HOST:PORT/PATH, without user name and password")
    return form[1].strip("[]"), int(form[2] or 80), form[3] or "/"


class Outcomes:
    """Outcomes that wait for their time, and are posted then."""

    def __init__(self, loop: asyncio.AbstractEventLoop, url: str, most: int = MOST_WAITING) -> None:
        """Raises ValueError for an address that cannot be."""
        host, port, self._path = read_url(url)
        self._loop = loop
        self._most = most
        self._client = Client(host, port, connections=AT_ONCE, timeout=TIMEOUT)
        self._waiting: list[_Entry] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._numbers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.sent = 0
        self.tries_failed = 0

    @property
    def waiting(self) -> int:
        """Outcomes that were not taken yet."""
        return len(self._waiting) + len(self._under_way)

    @property
    def full(self) -> bool:
        """Whether no more can wait: then the CSP takes no SRs."""
        return len(self._waiting) >= self._most

    def add(self, pause: float, request_id: str, srv: str) -> None:
        """Post the success (I0) of an SR after a pause, in seconds."""
        self._push(pause, 0, request_id, srv)

    def _push(self, pause: float, tries: int, request_id: str, srv: str) -> None:
        if self._closed:
            return
        self._numbers += 1
        heapq.heappush(self._waiting, (self._loop.time() + pause, self._numbers, tries, request_id, srv))
        self._wake()

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and len(self._under_way) < AT_ONCE and not self._closed:
            self._timer = self._loop.call_at(self._waiting[0][0], self._due)

    def _due(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now and len(self._under_way) < AT_ONCE:
            task = self._loop.create_task(self._post(heapq.heappop(self._waiting)))
            self._under_way.add(task)
            task.add_done_callback(self._done)
        self._wake()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake()

    async def _post(self, entry: _Entry) -> None:
        _, _, tries, request_id, srv = entry
        originator, target, counter = request_id.split(":")
        body = response("I0", request_id, srv, f"{target}:{originator}:{counter}")
        pause = min(FIRST_PAUSE * 2 ** min(tries, 10), LONGEST_PAUSE)
        try:
            answer = await self._client.post(self._path, body)
        except NoAnswerError:
            pass
        else:
            if answer.status == 200:
                self.sent += 1
                return
            if answer.retry_after is not None:
                pause = min(max(pause, answer.retry_after), LONGEST_PAUSE)
        self.tries_failed += 1
        self._push(pause, tries + 1, request_id, srv)

    async def stop(self) -> None:
        """Post no more."""
        self._closed = True
        self._wake()
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._client.close()
