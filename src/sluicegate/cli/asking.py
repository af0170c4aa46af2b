"""How commands ask a listener of ours over HTTP, and say what went wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

TIMEOUT = 60.0  # seconds for an answer: returning a large backlog takes a while
MOST_ERROR = 65_536  # octets of an answer that tells what is wrong


class Answered(NamedTuple):
    """What came back.

    Attributes:
        status: of HTTP.
        body: read from JSON; None where it is none.
        tag: the ETag, as it was sent.
    """

    status: int
    body: Any
    tag: str | None


class NobodyAnswers(Exception):  # noqa: N818 - named after what has happened
    """There is no answer; `str()` says why."""


def exchange(
    base: str,
    method: str,
    path: str,
    body: bytes | None,
    fields: Mapping[str, str],
    *,
    timeout: float = TIMEOUT,
    tls: ssl.SSLContext | None = None,
) -> Answered:
    """One request, and what came back whatever its status. Raises NobodyAnswers."""
    from http.client import HTTPException  # noqa: PLC0415
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener  # noqa: PLC0415

    class Stay(HTTPRedirectHandler):
        """Nothing of ours sends anybody elsewhere, and a token is shown to whom it was meant for."""

        def redirect_request(self, *_: object) -> None:
            return None

    try:
        request = Request(f"{base}{path}", body, dict(fields), method=method)  # noqa: S310 - the caller names the address
        with build_opener(Stay(), HTTPSHandler(context=tls)).open(request, timeout=timeout) as answer:
            return Answered(answer.status, json.load(answer), answer.headers.get("ETag"))
    except HTTPError as error:
        try:
            told = json.loads(error.read(MOST_ERROR))
        except (ValueError, OSError, HTTPException):
            told = None
        return Answered(error.code, told, error.headers.get("ETag"))
    except (URLError, OSError, ValueError, HTTPException) as error:
        raise NobodyAnswers(str(getattr(error, "reason", error))) from None


def url_of(address: str) -> str:
    """A base URL from HOST:PORT or a URL."""
    return address.rstrip("/") if address.startswith(("http://", "https://")) else f"http://{address}"


def ask(
    who: str, admin: str, method: str, path: str, asked: dict[str, Any] | None = None, *, where: str, unknown: str
) -> Any:
    """Ask an admin listener. Raises ClickException with what went wrong.

    Args:
        who: it is, in messages.
        admin: its address, HOST:PORT or a URL.
        method, path: below /api/v1/.
        asked: what is posted.
        where: the key of the configuration that says where it listens.
        unknown: what an answer 404 means that has found nothing.
    """
    body = None if method == "GET" else json.dumps(asked or {}).encode()
    try:
        answer = exchange(url_of(admin), method, f"/api/v1/{path}", body, {"Content-Type": "application/json"})
    except NobodyAnswers as error:
        raise click.ClickException(
            f"no {who} answers at {admin}: {error}. Is it running? --admin says where ({where})."
        ) from None
    if answer.status < 300:
        return answer.body
    told = answer.body if isinstance(answer.body, dict) else {}
    if answer.status == 404 and "found" in told:
        raise click.ClickException(unknown)
    raise click.ClickException(str(told.get("error", f"the {who} answered {answer.status}")))
