"""Usage over HTTP: an operator's questions about everybody, a User's about itself."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

from sluicegate.front.problems import Problem
from sluicegate.operations.history import asking
from sluicegate.operations.history.described import CSV, JSON, PATH
from sluicegate.operations.history.reading import Usages
from sluicegate.operations.site.allowance import Allowance
from sluicegate.operations.site.guarded import guarded, routed
from sluicegate.operations.site.principal import EVERYBODY, STAFF
from sluicegate.operations.site.refusal import HEADERS, NOT_YOURS, TOO_OFTEN, Refusal
from sluicegate.operations.store import trail

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from sluicegate.operations.history.asking import Asked, Told
    from sluicegate.operations.site.principal import Principal
    from sluicegate.operations.store.store import OperationsStore
    from sluicegate.operations.store.worker import Worker

UNFIT: Final = Problem("unfit-question", 422, "This cannot be told")
BURST, EVERY = 40, 1.0  # questions of one account at once, and seconds for each further one
MOST_WAITING: Final = 20
"""Questions of all: one is asked at a time, so that what is set, and written, never stands behind many of them."""


class UsageApi:
    """The API. Questions are answered by the thread of the database, and written in another one."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._allowance = Allowance(BURST, EVERY)
        self._one = asyncio.Lock()
        self._waiting = 0

    def routes(self) -> list[Route]:
        """For the site."""
        return [routed(PATH, {"GET": guarded(self.show, EVERYBODY)})]

    async def show(self, request: Request, principal: Principal) -> Response:
        """What was used."""
        fields = request.query_params
        if len(fields.multi_items()) > len(fields):
            raise Refusal(UNFIT, "one field stands there twice")
        as_csv = _wants_csv(request)
        try:
            asked = asking.asked_of(fields, trail.now())
        except asking.Unfit as error:
            raise Refusal(UNFIT, str(error)) from None
        if principal.role not in STAFF:
            if asked.user not in (None, principal.user):
                raise Refusal(NOT_YOURS, "a User may ask for its own usage, and for nobody else's")
            asked = asked._replace(user=principal.user or "")
        wait = self._allowance.take(principal.who, monotonic())
        if wait:
            raise Refusal(TOO_OFTEN, "usage changes once a minute: ask less often", retry_after=wait)
        found = await self._found(asked)
        if not as_csv:
            return await asyncio.to_thread(lambda: JSONResponse(asking.as_json(found), headers=HEADERS))
        text = await asyncio.to_thread(asking.as_csv, found)
        fields_ = HEADERS | {"Content-Disposition": 'attachment; filename="usage.csv"'}
        return Response(text, headers=fields_, media_type=CSV)

    async def _found(self, asked: Asked) -> Told:
        if self._waiting >= MOST_WAITING:
            raise Refusal(TOO_OFTEN, "many ask for usage at once: try again", retry_after=5)
        self._waiting += 1
        try:
            async with self._one:
                return await self._worker.do(lambda store: _told(store, asked))
        finally:
            self._waiting -= 1


def _wants_csv(request: Request) -> bool:
    """`format`, or what comes first in Accept. Raises Refusal."""
    wanted = request.query_params.get("format")
    if wanted not in (None, "csv", "json"):
        raise Refusal(UNFIT, "`format` is csv or json")
    if wanted is not None:
        return wanted == "csv"
    kinds = [kind.partition(";")[0].strip() for kind in request.headers.get("accept", "").lower().split(",")]
    return next((kind for kind in kinds if kind in {CSV, JSON}), JSON) == CSV


def _told(store: OperationsStore, asked: Asked) -> Told:
    with store.reading() as connection:
        return asking.told(Usages(connection), asked)
