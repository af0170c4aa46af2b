"""How commands ask an admin listener, and say what went wrong."""

from __future__ import annotations

import json
from typing import Any

import click

TIMEOUT = 60.0  # seconds for an answer: returning a large backlog takes a while
MOST_ERROR = 65_536  # octets of an answer that tells what is wrong


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
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import Request, urlopen  # noqa: PLC0415

    base = admin if admin.startswith(("http://", "https://")) else f"http://{admin}"
    body = None if method == "GET" else json.dumps(asked or {}).encode()
    try:
        request = Request(f"{base}/api/v1/{path}", body, {"Content-Type": "application/json"}, method=method)  # noqa: S310
        with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - the operator names the address
            return json.load(answer)
    except HTTPError as error:
        raise click.ClickException(_why(who, error.read(MOST_ERROR), error.code, unknown)) from None
    except (URLError, OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise click.ClickException(
            f"no {who} answers at {admin}: {why}. Is it running? --admin says where ({where})."
        ) from None


def _why(who: str, body: bytes, status: int, unknown: str) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        return f"the {who} answered {status}"
    if status == 404 and "found" in told:
        return unknown
    return str(told.get("error", f"the {who} answered {status}"))
