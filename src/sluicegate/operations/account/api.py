"""The account API. Each request is of one User and tells of it alone: docs/account.md."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sluicegate.allocation import Profile
from sluicegate.log import logger
from sluicegate.operations.account import documents
from sluicegate.operations.account.caller import Caller, caller_of
from sluicegate.operations.account.described import PREFIX
from sluicegate.operations.account.dry_run import DryRuns
from sluicegate.operations.account.problems import BAD_CONDITION, CHANGED, KIND, NO_CONDITION, TOO_LARGE, UNFIT
from sluicegate.operations.account.profiles import OwnProfiles
from sluicegate.operations.site.allowance import Allowance
from sluicegate.operations.site.guarded import Endpoint, guarded, routed
from sluicegate.operations.site.principal import USER, Principal
from sluicegate.operations.site.reading import body_of
from sluicegate.operations.site.refusal import HEADERS, NOT_FOUND, TOO_OFTEN, Refusal
from sluicegate.operations.store import trail, versions
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.trail import Row
from sluicegate.operations.store.versions import Conflict, NoSuchVersion, Version
from sluicegate.operations.store.worker import Worker
from sluicegate.settings import ProfileFile

_TAG: Final = re.compile(r'"([0-9]{1,9})"', re.ASCII)

Change = tuple[Version, Row | None]
Handler = Callable[[Request, Caller], Awaitable[Response]]


class AccountApi:
    """The API of one gateway.

    Args:
        worker: has the database.
        profiles: take what was set.
        dry_runs: what would have been.
    """

    def __init__(self, worker: Worker, profiles: OwnProfiles, dry_runs: DryRuns) -> None:
        self._worker = worker
        self._profiles = profiles
        self._dry_runs = dry_runs
        self._changes = Allowance(20, 30.0)
        self._tries = Allowance(3, 60.0)

    def routes(self) -> list[Route]:
        """For the site."""
        handlers: dict[str, dict[str, Handler]] = {
            "/profile": {"GET": self._show, "PUT": self._put, "DELETE": self._delete},
            "/profile/try": {"POST": self._try},
            "/profile/versions": {"GET": self._versions},
            "/profile/versions/{version}": {"GET": self._version},
            "/profile/versions/{version}/restore": {"POST": self._restore},
        }
        return [
            routed(PREFIX + path, {method: self._endpoint(handler) for method, handler in by_method.items()})
            for path, by_method in handlers.items()
        ]

    def _endpoint(self, handler: Handler) -> Endpoint:
        async def handle(request: Request, principal: Principal) -> Response:
            return await handler(request, caller_of(principal, self._profiles))

        return guarded(handle, {USER})

    # --- what may be asked

    async def _show(self, _request: Request, caller: Caller) -> Response:
        newest = await self._worker.do(lambda store: _newest(store, caller.user.name))
        return await self._told(caller, newest)

    async def _put(self, request: Request, caller: Caller) -> Response:
        expected = _condition(request)
        file, _ = await self._wanted(request, caller)
        document = documents.kept(file)
        self._may_change(caller)
        return await self._change(caller, lambda store: _put(store, caller, document, expected))

    async def _delete(self, request: Request, caller: Caller) -> Response:
        expected = _condition(request)
        self._may_change(caller)
        return await self._change(caller, lambda store: _put(store, caller, None, expected))

    async def _restore(self, request: Request, caller: Caller) -> Response:
        expected, number = _condition(request), _number(request)
        self._may_change(caller)
        wanted = await self._worker.do(lambda store: _find(store, caller.user.name, number))
        if wanted is None:
            raise _no_version(number)
        if wanted.document is not None:
            self._fit(caller, await asyncio.to_thread(_as_profile, wanted.document))
        return await self._change(caller, lambda store: _restore(store, caller, number, expected))

    async def _versions(self, _request: Request, caller: Caller) -> Response:
        found = await self._worker.do(lambda store: _history(store, caller.user.name))
        return await _json({"user": caller.user.name, "versions": found})

    async def _version(self, request: Request, caller: Caller) -> Response:
        number = _number(request)
        found = await self._worker.do(lambda store: _find(store, caller.user.name, number))
        if found is None:
            raise _no_version(number)
        return await _json(_about(found) | {"user": found.user, "profile": _document(found)})

    async def _try(self, request: Request, caller: Caller) -> Response:
        self._dry_runs.check(caller.user.name)
        _, profile = await self._wanted(request, caller)
        _take(self._tries, caller.user.name, "a dry run replays everybody's last hour: not so often")
        return await _json(await self._dry_runs.run(caller.user.name, profile))

    # --- how

    async def _wanted(self, request: Request, caller: Caller) -> tuple[ProfileFile, Profile]:
        """The profile that was sent, and may be set. Raises Refusal."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in {documents.JSON, documents.TOML}:
            raise Refusal(KIND, f"send {documents.JSON} or {documents.TOML}, and say so in Content-Type")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refusal(KIND, "send it as it is, without a Content-Encoding")
        octets = await body_of(request, documents.MOST_OCTETS, TOO_LARGE)
        try:
            file, profile = await asyncio.to_thread(_read, octets, kind)
        except documents.Unfit as error:
            raise Refusal(UNFIT, error.problems[0], problems=error.problems) from None
        self._fit(caller, profile)
        return file, profile

    def _fit(self, caller: Caller, profile: Profile) -> None:
        why = self._profiles.unfit(caller.user, profile)
        if why:
            raise Refusal(UNFIT, why, problems=[why])

    def _may_change(self, caller: Caller) -> None:
        _take(self._changes, caller.user.name, "a profile is changed by people, and not so often")

    async def _change(self, caller: Caller, work: Callable[[OperationsStore], Change]) -> Response:
        """Change it, in the database first; it is in force when the answer leaves. Raises Refusal or Unavailable."""
        try:
            version, row = await self._worker.do(work)
        except Conflict as conflict:
            raise Refusal(
                CHANGED, f"it is in version {conflict.current} now: look at that, and send If-Match for it",
                fields={"ETag": f'"{conflict.current}"'}, version=conflict.current,
            ) from None  # fmt: skip
        except NoSuchVersion as error:
            raise _no_version(int(error.args[0])) from None
        self._profiles.take(version)
        if row is not None:
            logger().info(
                row.did, user=version.user, version=version.version, who=caller.who, audit=row.seq,
                hash=row.hash.hex(),
            )  # fmt: skip
        return await self._told(caller, version)

    async def _told(self, caller: Caller, newest: Version | None) -> Response:
        """The profile of a User as it is now."""
        told: dict[str, Any] = {"user": caller.user.name, "version": newest.version if newest is not None else 0}
        if newest is not None and newest.document is not None:
            why_not = self._profiles.why_not(caller.user.name)
            told |= {"from": "account", "in_force": not why_not, "why_not": why_not or None} | _about(newest)
            told["profile"] = _document(newest)
        else:
            told["profile"] = documents.of_user(caller.user)
            told |= {"from": "configuration" if told["profile"] is not None else None, "in_force": True}
        return await _json(told, {"ETag": f'"{told["version"]}"'})


def _read(octets: bytes, kind: str) -> tuple[ProfileFile, Profile]:
    file = documents.read(octets, kind)
    try:
        profile = Profile.of_user(file)
    except ValueError as error:
        raise documents.Unfit([str(error)]) from None
    return file, profile or Profile()


def _as_profile(document: str) -> Profile:
    try:
        return documents.of_kept(document)
    except ValueError as error:
        raise Refusal(UNFIT, f"this version cannot be used any more: {str(error)[:200]}") from None


# --- in the thread of the database


def _newest(store: OperationsStore, user: str) -> Version | None:
    with store.reading() as connection:
        return versions.newest(connection, user)


def _find(store: OperationsStore, user: str, number: int) -> Version | None:
    with store.reading() as connection:
        try:
            return versions.find(connection, user, number)
        except NoSuchVersion:
            return None


def _history(store: OperationsStore, user: str) -> list[dict[str, Any]]:
    with store.reading() as connection:
        return [_about(one) for one in versions.history(connection, user)]


def _put(store: OperationsStore, caller: Caller, document: str | None, expected: int | None) -> Change:
    """What is so already is not written again."""
    with store.changing() as connection:
        user = caller.user.name
        last = versions.newest(connection, user)
        current = last.version if last is not None else 0
        if expected is not None and expected != current:
            raise Conflict(current)
        if last is not None and last.document == document:
            return last, None
        did = versions.SET if document is not None else versions.DELETED
        return versions.put(connection, user, document, expected=current, who=caller.who, at=trail.now(), did=did)


def _restore(store: OperationsStore, caller: Caller, number: int, expected: int | None) -> Change:
    with store.changing() as connection:
        return versions.restore(connection, caller.user.name, number, expected=expected, who=caller.who, at=trail.now())


# --- small


async def _json(told: object, fields: dict[str, str] | None = None) -> Response:
    """Written in a thread: a large profile takes a millisecond or two, for which no decision should wait."""
    return await asyncio.to_thread(JSONResponse, told, 200, HEADERS | (fields or {}))


def _about(version: Version) -> dict[str, Any]:
    at = datetime.fromtimestamp(version.made_at / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"version": version.version, "made_at": at, "by": version.who, "what": version.why}


def _document(version: Version) -> Any:
    return None if version.document is None else json.loads(version.document)


def _condition(request: Request) -> int | None:
    """The version that is changed; None for any (`*`). Raises Refusal."""
    fields = request.headers.getlist("if-match")
    if not fields:
        raise Refusal(
            NO_CONDITION, 'send If-Match with the ETag of the profile that you have looked at, such as "3" (or *)'
        )
    value = ",".join(fields).strip()
    if value == "*":
        return None
    form = _TAG.fullmatch(value)
    if form is None:
        raise Refusal(BAD_CONDITION, 'If-Match is one ETag such as "3", or *')
    return int(form[1])


def _number(request: Request) -> int:
    text = str(request.path_params["version"])
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text, re.ASCII):
        raise Refusal(NOT_FOUND, "a version is a number from 1")
    return int(text)


def _no_version(number: int) -> Refusal:
    return Refusal(NOT_FOUND, f"there is no version {number}, or it is not kept any more: the last {versions.KEPT} are")


def _take(allowance: Allowance, user: str, why: str) -> None:
    wait = allowance.take(user, monotonic())
    if wait:
        raise Refusal(TOO_OFTEN, why, retry_after=wait)
