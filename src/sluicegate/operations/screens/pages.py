"""The pages as they lie in the wheel: no build step makes them, and the browser fetches nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

KINDS: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
UPLOT: Final = ("uPlot.iife.min.js", "uPlot.min.css")
"""Is there once, where the reports have it (docs/decisions/003)."""


class _Asset(NamedTuple):
    octets: bytes
    tag: str


@cache
def _assets() -> dict[str, _Asset]:
    """Everything that may be fetched, by its name."""
    own = [
        one
        for one in files("sluicegate.operations.screens").joinpath("assets").iterdir()
        if not one.name.startswith(".")
    ]
    drawn = files("sluicegate.simulate").joinpath("assets/uplot")
    found = {}
    for one in [*own, *(drawn.joinpath(name) for name in UPLOT)]:
        if one.is_file():
            octets = one.read_bytes()
            found[one.name] = _Asset(octets, f'"{sha256(octets).hexdigest()[:20]}"')
    return found


async def asset(request: Request) -> Response:
    """A style, a script or a picture. Anybody may have them: nothing of the gateway is in them."""
    name = str(request.path_params["name"])
    kind, found = KINDS.get(name.rpartition(".")[2]), _assets().get(name)
    if kind is None or found is None:
        return Response("there is no such file\n", 404, media_type="text/plain")
    fields = {"Cache-Control": "no-cache", "ETag": found.tag, "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=fields)
    return Response(found.octets, headers=fields, media_type=kind)


def page(name: str, who: str, role: str) -> Response:
    """A page for somebody who is signed in."""
    text = _assets()[f"{name}.html"].octets.decode()
    frame = _assets()["frame.html"].octets.decode()
    head, _, body = frame.partition("<!--page-->")
    whole = head + text + body
    for mark, value in (("@page@", name), ("@who@", who), ("@role@", role), ("@title@", TITLES[name])):
        whole = whole.replace(mark, escape(value))
    return Response(whole, media_type="text/html", headers={"Cache-Control": "no-store"})


TITLES: Final = {
    "operator": "Now",
    "user": "Your traffic",
    "why": "Why was this request throttled?",
    "versions": "Who still gets 503",
    "controls": "Controls",
    "told": "Notices",
    "campaigns": "Campaigns",
    "book": "Allocation book",
}
