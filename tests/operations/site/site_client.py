"""Asks an ASGI application as a client does, cookies included, without a socket."""

from __future__ import annotations

import asyncio

import httpx


class Browser:
    """One client: cookies last, redirects are shown and not followed."""

    def __init__(self, app, url="https://site.example"):
        self._app, self._url = app, url
        self.cookies = httpx.Cookies()

    def request(self, method, path, **more):
        return asyncio.run(self.ask(method, path, **more))

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, **more):
        return self.request("POST", path, **more)

    async def ask(self, method, path, **more):
        transport = httpx.ASGITransport(self._app, client=("192.0.2.1", 40000))
        async with httpx.AsyncClient(transport=transport, base_url=self._url, cookies=self.cookies) as client:
            answer = await client.request(method, path, **more)
            self.cookies = client.cookies
        return answer
