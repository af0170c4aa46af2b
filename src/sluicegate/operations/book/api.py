"""The book over HTTP: what there is, and its steps; an approver is another account than the proposer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from sluicegate.front.problems import Problem
from sluicegate.log import logger
from sluicegate.operations.book import from_history, told, versions
from sluicegate.operations.book.checking import approve_fitting, wrong_forecast, wrong_with
from sluicegate.operations.book.described import MOST_OCTETS, MOST_REASON_OCTETS, MOST_VERSIONS, PREFIX
from sluicegate.operations.book.effective import month, month_before
from sluicegate.operations.book.forecast import as_dict
from sluicegate.operations.book.in_force import version_in_force
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


NO_FORECAST: Final = Problem("no-forecast", 404, "No forecasts are kept for that month")
T = TypeVar("T")


def _printable(text: str) -> str:
    if text and not text.isprintable():
        raise ValueError("must be printable, in one line")
    return text


Words = Annotated[str, Field(max_length=versions.MOST_NOTE), AfterValidator(_printable)]


class _Asked(BaseModel):
    """A book as it is put. `allocations`: SR/s by User; `forecasts`: SRs a month by User and SRV, kept with it."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    allocations: dict[str, float] = Field(min_length=1, max_length=100_000)
    note: Words = ""
    forecasts: dict[str, dict[str, float]] | None = None


class _Step(BaseModel):
    """Why somebody approves or withdraws, for the audit trail."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Words = ""


class _Back(_Step):
    """`to`: the version that is to be in force again, 0 for the configuration file; none: what was before."""

    to: int | None = Field(default=None, ge=0, le=999_999_999)


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
        self._busiest = told.Busiest()

    def routes(self) -> list[Route]:
        """For the site."""
        one = PREFIX + "/{version:int}"
        return [
            routed(PREFIX, {"GET": guarded(self._show, STAFF), "POST": guarded(self._put, (OPERATOR,))}),
            routed(one, {"GET": guarded(self._version, STAFF)}),
            routed(f"{one}/approve", {"POST": guarded(self._approve, (OPERATOR, APPROVER))}),
            routed(f"{one}/withdraw", {"POST": guarded(self._withdraw, (OPERATOR, APPROVER))}),
            routed(f"{PREFIX}/rollback", {"POST": guarded(self._rollback, (OPERATOR,))}),
            routed(f"{PREFIX}/diff", {"GET": guarded(self._diff, STAFF)}),
            routed(f"{PREFIX}/forecast", {"GET": guarded(self._forecast, STAFF)}),
        ]

    async def _show(self, _request: Request, _principal: Principal) -> Response:
        at = trail.now()
        found = await self._do(lambda connection: told.overview(connection, at, MOST_VERSIONS))
        return JSONResponse(found, headers=HEADERS)

    async def _version(self, request: Request, _principal: Principal) -> Response:
        at, number = trail.now(), _number(request)
        one, now = await self._do(lambda connection: (versions.find(connection, number), _now(connection, at)))
        more = {"allocations": one.book, "reasons": one.why}
        return JSONResponse(told.version(one, at, now) | more, headers=HEADERS)

    async def _diff(self, request: Request, _principal: Principal) -> Response:
        at, file = trail.now(), self._gateway.file
        first, second = (_asked_version(request, name) for name in ("from", "to"))

        def look(connection: Connection) -> dict[str, Any]:
            now = version_in_force(connection, at)
            before, after = now if first is None else first, now if second is None else second
            return told.difference(connection, file, before, after, at, self._busiest)

        return JSONResponse(await self._do(look), headers=HEADERS)

    async def _forecast(self, request: Request, _principal: Principal) -> Response:
        at, file = trail.now(), self._gateway.file
        name = request.query_params.get("month") or month_before(at)
        try:
            month(name)
        except ValueError as error:
            raise Refusal(UNFIT, str(error)) from None
        found = await self._do(lambda connection: from_history.month_of(connection, name, file, at))
        if found is None:
            how = "`sluicegate book put --forecasts USERS.csv` keeps those of a version"
            raise Refusal(NO_FORECAST, f"no book with forecasts had come into force by the end of {name}: {how}")
        return JSONResponse(as_dict(found[1]) | {"version": found[0]}, headers=HEADERS)

    async def _put(self, request: Request, principal: Principal) -> Response:
        asked = await model_of(request, _Asked, MOST_OCTETS, TOO_LARGE, UNFIT)
        wrong = [
            f"{name}: {why}" if name else why for name, why in wrong_with(asked.allocations, self._gateway.settings)
        ]
        wrong += wrong_forecast(asked.forecasts or {}, self._gateway.settings)
        if wrong:
            raise Refusal(UNFIT, wrong[0], problems=wrong[:100])
        return await self._step(
            201,
            lambda connection, at: versions.put(
                connection,
                asked.allocations,
                who=principal.who,
                at=at,
                note=asked.note,
                by=principal.by,
                forecasts=asked.forecasts,
            ),
        )

    async def _approve(self, request: Request, principal: Principal) -> Response:
        number, said = _number(request), await _reason(request)
        settings = self._gateway.settings
        return await self._step(
            200,
            lambda connection, at: approve_fitting(
                connection, number, settings, who=principal.who, at=at, by=principal.by, **said
            ),
        )

    async def _withdraw(self, request: Request, principal: Principal) -> Response:
        number, said = _number(request), await _reason(request)
        return await self._step(
            200,
            lambda connection, at: versions.withdraw(
                connection, number, who=principal.who, at=at, by=principal.by, **said
            ),
        )

    async def _rollback(self, request: Request, principal: Principal) -> Response:
        asked = await model_of(request, _Back, MOST_REASON_OCTETS, TOO_LARGE, UNFIT, b"{}")
        return await self._step(
            201,
            lambda connection, at: versions.rollback(
                connection, asked.to, who=principal.who, at=at, note=asked.reason, by=principal.by
            ),
        )

    async def _step(self, status: int, work: Callable[[Connection, int], Version]) -> Response:
        """Do it, and put in force what comes of it before the answer leaves."""
        at = trail.now()
        one, now = await self._do(lambda connection: (work(connection, at), _now(connection, at)), changing=True)
        logger().warning("the allocation book has changed", version=one.version, state=versions.state(one, at, now))
        if await self._governor.catch_up():
            self._changed()
        return JSONResponse(told.version(one, at, now), status, HEADERS)

    async def _do(self, work: Callable[[Connection], T], *, changing: bool = False) -> T:
        try:
            return await self._worker.do(lambda store: _in(store, work, changing))
        except NoSuchBook as error:
            raise Refusal(NOT_FOUND, str(error)) from None
        except BookRefused as error:
            raise Refusal(REFUSED, str(error)) from None


def _in(store: OperationsStore, work: Callable[[Connection], T], changing: bool) -> T:
    with store.changing() if changing else store.reading() as connection:
        return work(connection)


def _now(connection: Connection, at: int) -> int | None:
    return version_in_force(connection, at) or None


async def _reason(request: Request) -> dict[str, str]:
    """What the audit trail is told beside the step."""
    asked = await model_of(request, _Step, MOST_REASON_OCTETS, TOO_LARGE, UNFIT, b"{}")
    return {"reason": asked.reason} if asked.reason else {}


def _asked_version(request: Request, name: str) -> int | None:
    """A version in the query, 0 for the configuration file; None: none was named. Raises Refusal."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isdecimal() and text.isascii() and len(text) <= 9):
        raise Refusal(UNFIT, f"`{name}` must be the number of a version, or 0 for the configuration file")
    return int(text)


def _number(request: Request) -> int:
    return int(request.path_params["version"])
