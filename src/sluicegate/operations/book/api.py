"""The book over HTTP: what there is, and its steps; an approver is another account than the proposer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from sluicegate.front.problems import Problem
from sluicegate.log import logger
from sluicegate.operations.book import versions
from sluicegate.operations.book.checking import approve_fitting, wrong_with
from sluicegate.operations.book.described import MOST_OCTETS, MOST_VERSIONS, PREFIX
from sluicegate.operations.book.versions import BookRefused, NoSuchBook, Version
from sluicegate.operations.site.guarded import guarded, routed
from sluicegate.operations.site.principal import APPROVER, OPERATOR, STAFF
from sluicegate.operations.site.reading import model_of
from sluicegate.operations.site.refusal import HEADERS, NOT_FOUND, Refusal
from sluicegate.operations.store import trail

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.requests import Request
    from starlette.routing import Route

    from sluicegate.operations.account.governed import Governed
    from sluicegate.operations.controls.governor import Governor
    from sluicegate.operations.site.principal import Principal
    from sluicegate.operations.store.store import OperationsStore
    from sluicegate.operations.store.worker import Worker

UNFIT: Final = Problem("unfit-book", 422, "This book cannot be")
REFUSED: Final = Problem("book-refused", 409, "This is not done")
TOO_LARGE: Final = Problem("too-large", 413, "The book is too large")


class _Asked(BaseModel):
    """A book as it is put. `allocations`: SR/s by User."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    allocations: dict[str, float] = Field(min_length=1, max_length=100_000)
    note: str = Field(default="", max_length=versions.MOST_NOTE)


class BookApi:
    """Handlers for those who work there.

    Args:
        changed: called after something else has come into force.
    """

    def __init__(self, gateway: Governed, worker: Worker, governor: Governor, changed: Callable[[], None]) -> None:
        self._gateway = gateway
        self._worker = worker
        self._governor = governor
        self._changed = changed

    def routes(self) -> list[Route]:
        """For the site."""
        one = PREFIX + "/{version:int}"
        return [
            routed(PREFIX, {"GET": guarded(self._show, STAFF), "POST": guarded(self._put, (OPERATOR,))}),
            routed(one, {"GET": guarded(self._version, STAFF)}),
            routed(f"{one}/approve", {"POST": guarded(self._approve, (OPERATOR, APPROVER))}),
            routed(f"{one}/withdraw", {"POST": guarded(self._withdraw, (OPERATOR, APPROVER))}),
            routed(f"{PREFIX}/rollback", {"POST": guarded(self._rollback, (OPERATOR,))}),
        ]

    async def _show(self, _request: Request, _principal: Principal) -> Response:
        at = trail.now()
        found, now = await self._worker.do(lambda store: _newest(store, at))
        told = [_told(one, at, now) for one in found]
        return JSONResponse({"in_force": now, "versions": told}, headers=HEADERS)

    async def _version(self, request: Request, _principal: Principal) -> Response:
        at, number = trail.now(), _number(request)
        one, now = await self._do(lambda connection: (versions.find(connection, number), _now(connection, at)))
        more = {"allocations": one.book, "reasons": one.why}
        return JSONResponse(_told(one, at, now) | more, headers=HEADERS)

    async def _put(self, request: Request, principal: Principal) -> Response:
        asked = await model_of(request, _Asked, MOST_OCTETS, TOO_LARGE, UNFIT)
        wrong = [
            f"{name}: {why}" if name else why for name, why in wrong_with(asked.allocations, self._gateway.settings)
        ]
        if wrong:
            raise Refusal(UNFIT, wrong[0], problems=wrong[:100])
        return await self._step(
            201,
            lambda connection, at: versions.put(
                connection, asked.allocations, who=principal.who, at=at, note=asked.note, by=principal.by
            ),
        )

    async def _approve(self, request: Request, principal: Principal) -> Response:
        number = _number(request)
        settings = self._gateway.settings
        return await self._step(
            200,
            lambda connection, at: approve_fitting(
                connection, number, settings, who=principal.who, at=at, by=principal.by
            ),
        )

    async def _withdraw(self, request: Request, principal: Principal) -> Response:
        number = _number(request)
        return await self._step(
            200, lambda connection, at: versions.withdraw(connection, number, who=principal.who, at=at, by=principal.by)
        )

    async def _rollback(self, _request: Request, principal: Principal) -> Response:
        return await self._step(
            201, lambda connection, at: versions.rollback(connection, who=principal.who, at=at, by=principal.by)
        )

    async def _step(self, status: int, work: Callable[[Connection, int], Version]) -> Response:
        """Do it, and put in force what comes of it before the answer leaves."""
        at = trail.now()
        one, now = await self._do(lambda connection: (work(connection, at), _now(connection, at)), changing=True)
        logger().warning("the allocation book has changed", version=one.version, state=versions.state(one, at, now))
        if await self._governor.catch_up():
            self._changed()
        return JSONResponse(_told(one, at, now), status, HEADERS)

    async def _do(
        self, work: Callable[[Connection], tuple[Version, int | None]], *, changing: bool = False
    ) -> tuple[Version, int | None]:
        try:
            return await self._worker.do(lambda store: _in(store, work, changing))
        except NoSuchBook as error:
            raise Refusal(NOT_FOUND, str(error)) from None
        except BookRefused as error:
            raise Refusal(REFUSED, str(error)) from None


def _in(
    store: OperationsStore, work: Callable[[Connection], tuple[Version, int | None]], changing: bool
) -> tuple[Version, int | None]:
    with store.changing() if changing else store.reading() as connection:
        return work(connection)


def _newest(store: OperationsStore, at: int) -> tuple[list[Version], int | None]:
    with store.reading() as connection:
        return versions.newest(connection, MOST_VERSIONS), _now(connection, at)


def _now(connection: Connection, at: int) -> int | None:
    found = versions.in_force(connection, at)
    return None if found is None else found.version


def _told(one: Version, at: int, now: int | None) -> dict[str, Any]:
    def when(moment: int | None) -> str | None:
        return None if moment is None else trail.shown(moment)

    return {
        "version": one.version,
        "state": versions.state(one, at, now),
        "made_at": when(one.made_at),
        "by": one.who,
        "note": one.note,
        "restores": one.restores,
        "approved_at": when(one.approved_at),
        "approved_by": one.approver,
        "effective_at": when(one.effective_at),
        "withdrawn_at": when(one.withdrawn_at),
    }


def _number(request: Request) -> int:
    return int(request.path_params["version"])
