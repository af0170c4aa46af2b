"""Where a person signs in with a browser, and out: by a token, or by OpenID Connect where there is a provider."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sluicegate.log import logger
from sluicegate.operations.site import origin
from sluicegate.operations.site.gate import SiteGate
from sluicegate.operations.site.guarded import SIGN_IN, answering, guarded, routed
from sluicegate.operations.site.openid import FLOW, OpenId, SignInFailed
from sluicegate.operations.site.principal import EVERYBODY, Principal
from sluicegate.operations.site.refusal import FOREIGN, HEADERS, Refusal
from sluicegate.operations.store import sessions, trail
from sluicegate.operations.store.sessions import Session
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.worker import Worker

SIGN_OUT: Final = "/sign-out"
OPENID: Final = "/sign-in/openid"
CALLBACK: Final = "/sign-in/openid/callback"
STYLE: Final = "/sign-in.css"
SESSION: Final = "/api/v1/session"
MOST_FORM: Final = 4096  # octets


class SignIn:
    """Signing in and out, for one site.

    Args:
        worker: has the database. gate: knows tokens and sessions.
        openid: the provider; None: there is none, and people sign in by a token.
    """

    def __init__(self, worker: Worker, gate: SiteGate, openid: OpenId | None = None) -> None:
        self._worker = worker
        self._gate = gate
        self._openid = openid
        self._flow = f"{gate.terms.cookie}-flow"

    def routes(self) -> list[Route]:
        """For the site."""
        told = {"GET": guarded(self._told, EVERYBODY), "DELETE": guarded(self._end, EVERYBODY)}
        routes = [
            routed(SIGN_IN, {"GET": answering(self._page), "POST": answering(self._by_token)}),
            routed(SIGN_OUT, {"POST": answering(self._out)}),
            routed(STYLE, {"GET": _style}),
            routed(SESSION, told),
        ]
        if self._openid is not None:
            routes.append(routed(OPENID, {"GET": answering(self._to_provider)}))
            routes.append(routed(CALLBACK, {"GET": answering(self._back)}))
        return routes

    # --- by a token

    async def _page(self, request: Request) -> Response:
        return self._form(next_page(request.query_params.get("next", "")))

    async def _by_token(self, request: Request) -> Response:
        crowd = self._gate.slowing.enter(request)
        origin.own_page(request, self._gate.terms.own)
        form = await _form_of(request)
        onward = next_page(form.get("next", ""))
        found = await self._gate.holder(form.get("token", "").strip())
        if found is None:
            await self._gate.slowing.offended(crowd)
            return self._form(onward, "This token does not count: it is mistyped, has ended, or was revoked.", 401)
        principal, token = found
        return await self._signed_in(principal, token, onward)

    # --- by OpenID Connect

    async def _to_provider(self, request: Request) -> Response:
        """To the provider, with a cookie that knows who was sent there."""
        self._gate.slowing.enter(request)
        provider = self._provider()
        try:
            flow, url = await provider.begin(next_page(request.query_params.get("next", "")))
        except SignInFailed as error:
            return self._failed(error)
        answer = RedirectResponse(url, 303, HEADERS)
        answer.set_cookie(self._flow, flow, FLOW, path="/", secure=self._gate.terms.secure, httponly=True,
                          samesite="lax")  # fmt: skip
        return answer

    async def _back(self, request: Request) -> Response:
        """From the provider, with a code that only we can turn into who it is."""
        crowd = self._gate.slowing.enter(request)
        try:
            principal, onward = await self._provider().finish(
                request.cookies.get(self._flow, ""), dict(request.query_params)
            )
        except SignInFailed as error:
            if error.offence:
                await self._gate.slowing.offended(crowd)
            return self._failed(error)
        answer = await self._signed_in(principal, None, onward)
        answer.delete_cookie(self._flow, path="/", secure=self._gate.terms.secure, httponly=True, samesite="lax")
        return answer

    def _provider(self) -> OpenId:
        assert self._openid is not None  # noqa: S101 - there are no such routes without it
        return self._openid

    def _failed(self, error: SignInFailed) -> Response:
        logger().warning("a sign-in by OpenID Connect failed", why=error.why)
        return self._form("/", error.told, error.status)

    # --- the session

    async def _signed_in(self, principal: Principal, token: int | None, onward: str) -> Response:
        terms = self._gate.terms

        def begin(store: OperationsStore) -> tuple[str, Session]:
            at = trail.now()
            with store.changing() as connection:
                return sessions.begin(
                    connection, who=principal.who, role=principal.role, user=principal.user, how=principal.by,
                    token=token, at=at, ends_at=at + terms.lasts,
                )  # fmt: skip

        shown, made = await self._worker.do(begin)
        logger().info("signed in", who=principal.told, role=principal.role, user=principal.user, audit=made.seq)
        answer = RedirectResponse(onward, 303, HEADERS)
        answer.set_cookie(terms.cookie, shown, terms.lasts // 1_000_000, path="/", secure=terms.secure, httponly=True,
                          samesite="lax")  # fmt: skip
        return answer

    async def _told(self, request: Request, principal: Principal) -> Response:
        """Who am I, and what does a change of mine need?"""
        cookie = None if "authorization" in request.headers else self._gate.cookie(request)
        told: dict[str, Any] = {
            "who": principal.who, "role": principal.role, "user": principal.user, "by": principal.by,
            "csrf": origin.csrf_token(cookie) if cookie else None,
        }  # fmt: skip
        return JSONResponse(told, headers=HEADERS)

    async def _end(self, request: Request, _principal: Principal) -> Response:
        """Sign out, for a page. What a token may do ends with the token."""
        await self._ended(request)
        return self._without_cookie(Response(status_code=204, headers=HEADERS))

    async def _out(self, request: Request) -> Response:
        """Sign out, for a form."""
        self._gate.slowing.enter(request)
        cookie = self._gate.cookie(request)
        if cookie is not None:
            form = await _form_of(request)
            origin.changing(request, cookie, self._gate.terms.own, form.get("csrf", ""))
            await self._ended(request)
        return self._without_cookie(RedirectResponse(SIGN_IN, 303, HEADERS))

    async def _ended(self, request: Request) -> None:
        session = None if "authorization" in request.headers else await self._gate.session(request)
        if session is not None:
            await self._worker.do(lambda store: _end(store, session))

    def _without_cookie(self, answer: Response) -> Response:
        terms = self._gate.terms
        answer.delete_cookie(terms.cookie, path="/", secure=terms.secure, httponly=True, samesite="lax")
        return answer

    def _form(self, onward: str, wrong: str = "", status: int = 200) -> Response:
        link = ""
        if self._openid is not None:
            href = f"{OPENID}?next={quote(onward, safe='')}"
            link = f'<p><a class="button" href="{href}">Sign in with your organisation</a></p>'
        said = f'<p role="alert">{escape(wrong)}</p>' if wrong else ""
        text = (files(__package__) / "sign_in.html").read_text("utf-8")
        for name, value in (("SAID", said), ("OPENID", link), ("NEXT", escape(onward))):
            text = text.replace(f"<!--{name}-->", value)
        return HTMLResponse(text, status, HEADERS)


async def _style(_request: Request) -> Response:
    text = (files(__package__) / "sign_in.css").read_text("utf-8")
    return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


def _end(store: OperationsStore, session: Session) -> None:
    with store.changing() as connection:
        sessions.end(connection, session, trail.now())


def next_page(wanted: str) -> str:
    """Where to after a sign-in: a path of this site, whatever was asked for."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and len(wanted) <= 500
    return wanted if plain and wanted.startswith("/") and not wanted.startswith(("//", SIGN_IN)) else "/"


async def _form_of(request: Request) -> dict[str, str]:
    """The fields of a form. Raises Refusal."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refusal(FOREIGN, "the form of the page sends application/x-www-form-urlencoded")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_FORM:
            raise Refusal(FOREIGN, "this is larger than the form of the page", fields={"Connection": "close"})
    try:
        found = parse_qs(body.decode("ascii"), max_num_fields=10)
    except ValueError:
        raise Refusal(FOREIGN, "this is not what the form of the page sends") from None
    return {name: values[0] for name, values in found.items()}
